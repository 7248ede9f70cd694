//! What Ascribe costs a page: the same Chromium with and without it, by turns.
//!
//! `cargo run --release -p ascribe-browser --example cost [ROUNDS]`. The page measures itself and tells its server.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use ascribe_agent::NetworkOptions;
use ascribe_browser::{Browser, LaunchOptions};
use ascribe_test_sites::{Reply, Sites};

const FETCHES: &str = "<script type=module>
    for (let i = 0; i < 20; i++) await fetch('/small');
    const times = [];
    for (let i = 0; i < 200; i++) { const start = performance.now(); await fetch('/small'); times.push(performance.now() - start) }
    times.sort((a, b) => a - b);
    await fetch('/result?' + times[100]);
</script>";

fn images(attribute: &str) -> String {
    let images: String = (0..100).map(|n| format!("<img src=https://img.test/{n} {attribute}>")).collect();
    format!(
        "{images}<script>onload = () => setTimeout(() => {{
            const {{loadEventStart, responseStart}} = performance.getEntriesByType('navigation')[0];
            fetch('/result?' + (loadEventStart - responseStart));
        }})</script>"
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    let sites = Sites::start()?;
    let authority = tempfile::Builder::new().suffix(".pem").tempfile()?;
    fs::write(authority.path(), sites.ca_pem())?;
    let network = NetworkOptions {
        host_map: sites.host_map().parse()?,
        ca_certificates: vec![authority.path().to_owned()],
        ..NetworkOptions::default()
    };
    println!("{:<42}{:>10}{:>10}", "median, ms", "without", "with");
    let pages = [
        ("sequential fetch", FETCHES.to_owned(), 0),
        ("100 images, 0 ms", images(""), 0),
        ("100 images, 20 ms", images(""), 20),
        ("100 images with attributionsrc, 20 ms", images("attributionsrc"), 20),
    ];
    for (name, page, delay) in pages {
        let site = sites.site("page.test");
        site.reply("/", Reply::html(page)).reply("/small", Reply::ok()).reply("/result", Reply::ok());
        let image = Reply::image().header("cache-control", "no-store").after(Duration::from_millis(delay));
        sites.site("img.test").reply("/*", image);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            without.push(plain(&sites, &network).await?);
            with.push(ascribed(&sites, &network).await?);
        }
        println!("{name:<42}{:>10.2}{:>10.2}", median(without), median(with));
    }
    Ok(())
}

async fn ascribed(sites: &Sites, network: &NetworkOptions) -> Result<f64, Box<dyn Error>> {
    let options = LaunchOptions { headless: true, network: network.clone(), ..LaunchOptions::default() };
    let browser = Browser::launch(options).await?;
    let before = sites.site("page.test").received("/result").len();
    browser.open("https://page.test/").await?;
    let result = result(sites, before).await;
    drop(browser);
    result
}

async fn plain(sites: &Sites, network: &NetworkOptions) -> Result<f64, Box<dyn Error>> {
    let profile = tempfile::tempdir()?;
    let before = sites.site("page.test").received("/result").len();
    let mut child = Command::new("chromium")
        .args(["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-quic", "--no-sandbox", "--disable-sync", "--disable-component-update"])
        .args(["--ignore-certificate-errors", "--remote-debugging-port=0"])
        .args(network.chromium_args()?)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("https://page.test/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let result = result(sites, before).await;
    child.kill()?;
    child.wait()?;
    result
}

async fn result(sites: &Sites, before: usize) -> Result<f64, Box<dyn Error>> {
    let results = sites.site("page.test").wait_for_many("/result", before + 1).await?;
    Ok(results[before].query().trim_start_matches('?').parse()?)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
