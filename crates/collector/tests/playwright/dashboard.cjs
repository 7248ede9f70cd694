// Looks at a dashboard as a person does. Arguments: the browser's program, the dashboard's address, the address that
// reports go to, the password, and perhaps a folder for pictures. Prints, as JSON, what was seen.
'use strict';
const fs = require('fs/promises');
const path = require('path');
const {chromium} = require('playwright-core');

const [program, address, intake, password, pictures] = process.argv.slice(2);
const PAGES = ['', 'campaigns', 'aggregatable', 'jobs', 'job?id=done', 'debug', 'headers'];

async function send(type) {
    const body = [{type, body: {attribution_destination: 'https://shop.example', source_event_id: '7'}}];
    const answer = await fetch(`${intake}/.well-known/attribution-reporting/debug/verbose`, {
        method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`the report was answered ${answer.status}`);
}

async function logIn(page, word) {
    await page.fill('input[name=password]', word);
    await Promise.all([page.waitForNavigation(), page.click('button[type=submit]')]);
}

async function download(page, selector) {
    const [file] = await Promise.all([page.waitForEvent('download'), page.click(selector)]);
    return {name: file.suggestedFilename(), text: await fs.readFile(await file.path(), 'utf8')};
}

async function main() {
    const browser = await chromium.launch({executablePath: program, chromiumSandbox: false});
    const context = await browser.newContext({viewport: {width: 1280, height: 900}, acceptDownloads: true});
    const page = await context.newPage();
    const seen = {complaints: [], overflowing: []};
    page.on('console', message => {
        if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text());
    });
    page.on('pageerror', error => seen.complaints.push(String(error)));

    await page.goto(`${address}/dashboard/debug?type=source-noised`);
    seen.loginUrl = page.url();
    if (pictures) await page.screenshot({path: path.join(pictures, 'login.png')});
    await logIn(page, 'not the password');
    seen.refused = await page.textContent('[role=alert]');
    // The browser itself tells the console about the status.
    seen.complaints = seen.complaints.filter(text => !text.includes('401'));
    await logIn(page, password);
    seen.afterLogin = page.url();
    seen.readableCookies = await page.evaluate(() => document.cookie);

    await page.click('nav a:has-text("Overview")');
    const count = page.locator('[data-count=debug]');
    const before = Number((await count.textContent()).replaceAll(',', ''));
    await send('trigger-no-matching-source');
    await page.waitForFunction(
        before => Number(document.querySelector('[data-count=debug]').textContent.replaceAll(',', '')) === before + 1,
        before, {timeout: 20000},
    );
    seen.countedLive = true;

    await page.click('nav a:has-text("Debug reports")');
    await page.selectOption('select[name=type]', 'trigger-no-matching-source');
    await page.fill('input[name=source_event_id]', '7');
    await Promise.all([page.waitForNavigation(), page.click('form.filter button[type=submit]')]);
    seen.filteredUrl = page.url();
    seen.filtered = await page.locator('details.report').count();
    await page.locator('details.report summary').first().press('Enter');
    seen.explained = await page.locator('details.report p').first().innerText();
    seen.csv = await download(page, '.exports a:has-text("CSV")');
    seen.json = await download(page, '.exports a:has-text("JSON")');

    // By keyboard alone: the first stop leads past the navigation.
    await page.goto(`${address}/dashboard/`);
    await page.keyboard.press('Tab');
    seen.firstStop = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press('Enter');
    seen.skippedTo = await page.evaluate(() => document.activeElement.id);

    for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 390], ['dark', 390]]) {
        await page.emulateMedia({colorScheme: scheme});
        await page.setViewportSize({width, height: 1500});
        for (const name of PAGES) {
            await page.goto(`${address}/dashboard/${name}`);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            if (wide > width) seen.overflowing.push(`${name} at ${width}: ${wide}`);
            if (name === 'debug') await page.locator('details.report summary').first().click();
            const file = `${name.split('?')[0] || 'overview'}-${scheme}-${width}.png`;
            if (pictures) await page.screenshot({path: path.join(pictures, file), fullPage: false});
        }
    }

    await page.setViewportSize({width: 1280, height: 900});
    await Promise.all([page.waitForNavigation(), page.click('form.logout button')]);
    seen.afterLogout = page.url();
    await page.goBack();
    seen.afterBack = page.url();
    await browser.close();
    process.stdout.write(JSON.stringify(seen));
}

main().catch(error => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
