//! What a visit does on the page, in the order in which the command line says it.

use std::time::Duration;

use anyhow::{Context, bail};
use ascribe_browser::{Browser, Click, Page, PageError, parse_duration};
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use tokio::time::{Instant, sleep, timeout};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Click on the first element that matches.
    Click(String),
    /// Let real time pass.
    Sleep(Duration),
    /// Wait until an element matches.
    WaitFor(String),
}

/// `--click` and `--wait`, in the order of the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps(pub(super) Vec<Step>);

const CLICK: &str = "click";
const WAIT: &str = "wait";
/// Between two looks at the pages.
const POLL: Duration = Duration::from_millis(50);

impl clap::Args for Steps {
    fn augment_args(command: Command) -> Command {
        let several = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        let click = several(CLICK).value_name("SELECTOR").help(
            "Click on the first element that matches this CSS selector, in the newest page that has one, as a user does",
        );
        let wait = several(WAIT).value_name("TIME|SELECTOR").help(
            "Wait this long, such as 500ms or 2s, or until an element matches this CSS selector. Clicks and waits \
             happen in the order in which they are given",
        );
        command.arg(click).arg(wait)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &str| {
            let values = matches.get_many::<String>(name).unwrap_or_default().cloned();
            let indices = matches.indices_of(name).unwrap_or_default();
            indices.zip(values).collect::<Vec<_>>()
        };
        let clicks = given(CLICK).into_iter().map(|(at, selector)| (at, Step::Click(selector)));
        let waits = given(WAIT).into_iter().map(|(at, what)| (at, Step::wait(what)));
        let mut steps: Vec<_> = clicks.chain(waits).collect();
        steps.sort_by_key(|(at, _)| *at);
        Ok(Self(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Step {
    fn wait(what: String) -> Self {
        let duration = parse_duration(&what).and_then(|time| u64::try_from(time.as_millis()).ok());
        duration.map_or(Self::WaitFor(what), |millis| Self::Sleep(Duration::from_millis(millis)))
    }

    pub(super) async fn perform(&self, browser: &Browser, patience: Duration) -> anyhow::Result<()> {
        match self {
            Self::Sleep(duration) => {
                sleep(*duration).await;
                Ok(())
            }
            Self::WaitFor(selector) => find(browser, selector, patience).await.map(drop),
            Self::Click(selector) => {
                let page = find(browser, selector, patience).await?;
                let clicked = timeout(patience, page.click(selector, Click::default())).await;
                let clicked = clicked.with_context(|| format!("clicking on {selector} takes too long"))?;
                clicked.with_context(|| format!("clicking on {selector}"))
            }
        }
    }
}

/// The newest page with an element that matches, as soon as there is one.
async fn find(browser: &Browser, selector: &str, patience: Duration) -> anyhow::Result<Page> {
    let start = Instant::now();
    let quoted = serde_json::to_string(selector)?;
    let expression = format!("document.querySelector({quoted}) !== null");
    loop {
        for page in browser.pages().await?.into_iter().rev() {
            match page.evaluate(&expression).await {
                Ok(found) if found == true => return Ok(page),
                Err(PageError::Threw(why)) if why.contains("SyntaxError") => {
                    bail!("{selector} is not a CSS selector")
                }
                // It may just be gone, or have another document in a moment.
                Ok(_) | Err(_) => {}
            }
        }
        if start.elapsed() >= patience {
            bail!("no element matches {selector}, after {} s", patience.as_secs_f64());
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    #[test]
    fn clicks_and_waits_keep_their_order() {
        let command = Steps::augment_args(Command::new("visit"));
        let given = ["visit", "--wait", "2s", "--click", "#buy", "--wait", ".thanks", "--click", "a"];
        let steps = Steps::from_arg_matches(&command.get_matches_from(given)).expect("steps");
        assert_eq!(
            steps.0,
            [
                Step::Sleep(Duration::from_secs(2)),
                Step::Click("#buy".into()),
                Step::WaitFor(".thanks".into()),
                Step::Click("a".into())
            ]
        );
    }
}
