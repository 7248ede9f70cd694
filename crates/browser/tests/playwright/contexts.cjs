// Drives a running browser: one context clicks on an advertisement and buys, others only buy.
// Arguments: the browser's endpoint, the publisher's page, the shop, a URL whose answer is a trigger.
// Prints, as JSON, what the first page's console said and where its click led.
'use strict';
const {chromium} = require('playwright-core');

const [endpoint, publisher, shop, trigger] = process.argv.slice(2);

async function buy(page, data) {
    const converted = page.waitForResponse(response => response.url().includes('/convert?'));
    await page.goto(`${shop}thanks?${data}`);
    await converted;
}

async function main() {
    const browser = await chromium.connectOverCDP(endpoint);
    const first = await browser.newContext();
    const second = await browser.newContext();

    const page = await first.newPage();
    const said = [];
    page.on('console', message => said.push(message.text()));
    await page.goto(publisher);
    await page.click('a');
    await page.waitForURL(`${shop}product`);
    const url = page.url();
    await buy(page, 1);

    const other = await second.newPage();
    await other.goto(publisher);
    await buy(other, 2);

    const told = page.waitForEvent('console', message => message.text().includes('riggerEligible'));
    await page.evaluate(url => {
        fetch(url, {attributionReporting: {eventSourceEligible: true, triggerEligible: false}});
    }, trigger);
    await told;
    await first.close();

    const third = await browser.newContext();
    await buy(await third.newPage(), 3);
    await third.close();
    await second.close();
    await browser.close();
    process.stdout.write(JSON.stringify({console: said, url}));
}

main().catch(error => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
