//! What Ascribe costs a page, and what each part of it costs: the same Chromium with more and more of it, by turns.
//!
//! `cargo run --release -p ascribe-browser --example cost -- [ROUNDS] [--json]`. Every page measures itself and tells its
//! server. All browsers run all the time, and every round opens every page once in each, so that what else the machine does
//! strikes all alike. The first round is not counted.

#![allow(clippy::print_stdout, reason = "it prints a table")]

mod chromium;
mod pages;

use std::{error::Error, fs};

use ascribe_agent::NetworkOptions;
use ascribe_browser::{Browser, LaunchOptions};
use ascribe_test_sites::Sites;
use serde_json::json;

use self::{
    chromium::{Chromium, Use},
    pages::{PAGES, Page},
};

pub(crate) type Failure = Box<dyn Error>;

/// The columns of the table.
const PARTS: [(&str, Use); 4] = [
    ("plain", Use::Nothing),
    ("+ requests held", Use::Requests),
    ("+ network events", Use::Events),
    ("+ responses held", Use::Responses),
];
const ASCRIBE: &str = "Ascribe";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut as_json = false;
    let mut rounds = 15;
    for argument in std::env::args().skip(1) {
        match &*argument {
            "--json" => as_json = true,
            number => rounds = number.parse()?,
        }
    }
    let sites = Sites::start()?;
    let authority = tempfile::Builder::new().suffix(".pem").tempfile()?;
    fs::write(authority.path(), sites.ca_pem())?;
    let network = NetworkOptions {
        host_map: sites.host_map().parse()?,
        ca_certificates: vec![authority.path().to_owned()],
        ..NetworkOptions::default()
    };
    let mut parts = Vec::new();
    for (_, part) in PARTS {
        parts.push(Chromium::start(&network, part)?);
    }
    let options = LaunchOptions { headless: true, network, ..LaunchOptions::default() };
    let browser = Browser::launch(options).await?;

    // By page, then by column.
    let mut times = vec![vec![Vec::new(); PARTS.len() + 1]; PAGES.len()];
    for round in 0..=rounds {
        for (page, times) in PAGES.iter().zip(&mut times) {
            page.serve(&sites);
            for (column, times) in times.iter_mut().enumerate() {
                let time = measure(&sites, page, parts.get(column), &browser).await?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
    }
    let medians: Vec<Vec<f64>> =
        times.into_iter().map(|columns| columns.into_iter().map(median).collect()).collect();
    if as_json {
        print_json(rounds, &medians)
    } else {
        print_table(&medians)
    }
    browser.close().await;
    Ok(())
}

async fn measure(
    sites: &Sites,
    page: &Page,
    part: Option<&Chromium>,
    browser: &Browser,
) -> Result<f64, Failure> {
    let before = sites.site("page.test").received("/result").len();
    let opened = match part {
        Some(chromium) => {
            chromium.open(&page.url());
            None
        }
        None => Some(browser.open(&page.url()).await?),
    };
    let results = sites.site("page.test").wait_for_many("/result", before + 1).await?;
    if let Some(opened) = opened {
        opened.close().await?;
    }
    Ok(results[before].query().trim_start_matches('?').parse()?)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn print_table(medians: &[Vec<f64>]) {
    print!("{:<44}", "median, ms");
    for (name, _) in PARTS {
        print!("{name:>18}");
    }
    println!("{ASCRIBE:>10}{:>10}{:>10}", "more", "ratio");
    for (page, medians) in PAGES.iter().zip(medians) {
        print!("{:<44}", page.name);
        let (plain, ascribe) = (medians[0], medians[PARTS.len()]);
        for time in &medians[..PARTS.len()] {
            print!("{time:>18.2}");
        }
        println!("{ascribe:>10.2}{:>10.2}{:>10.2}", ascribe - plain, ascribe / plain);
    }
}

fn print_json(rounds: usize, medians: &[Vec<f64>]) {
    let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).chain([ASCRIBE]).collect();
    let pages: Vec<_> = PAGES
        .iter()
        .zip(medians)
        .map(|(page, medians)| {
            let columns: serde_json::Map<_, _> =
                names.iter().zip(medians).map(|(name, time)| ((*name).to_owned(), json!(time))).collect();
            let (plain, ascribe) = (medians[0], medians[PARTS.len()]);
            json!({"page": page.name, "median_ms": columns, "more_ms": ascribe - plain, "ratio": ascribe / plain})
        })
        .collect();
    println!("{:#}", json!({"rounds": rounds, "pages": pages}));
}
