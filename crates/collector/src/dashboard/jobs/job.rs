//! A job, as `getJob` tells it: whatever it says, it is shown, and nothing that it does not say.

use maud::{Markup, html};
use serde_json::Value;

use super::parts;

/// A job's JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'j>(&'j Value);

/// As many error categories and messages are shown.
const MAX_ERRORS: usize = 50;

impl<'j> Job<'j> {
    pub(super) fn of(job: &'j Value) -> Self {
        Self(job)
    }

    /// A text, empty if there is none.
    pub(super) fn text(self, pointer: &str) -> &'j str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number, also one that is written as a text.
    pub(super) fn number(self, pointer: &str) -> Option<f64> {
        let value = self.0.pointer(pointer)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
    }

    pub(super) fn id(self) -> &'j str {
        self.text("/job_request_id")
    }

    pub(super) fn has_ended(self) -> bool {
        self.text("/job_status") == "FINISHED"
    }

    pub(super) fn finished_at(self) -> &'j str {
        self.text("/result_info/finished_at")
    }

    /// How many reports were left out, where some were.
    pub(super) fn error_count(self) -> Option<u64> {
        let counts = self.0.pointer("/result_info/error_summary/error_counts")?.as_array()?;
        let count = |of: &Value| Some((of.get("category")?.as_str()?.to_owned(), number(of.get("count")?)?));
        let counts: Vec<(String, u64)> = counts.iter().filter_map(count).collect();
        // The total comes as a category of its own.
        let total =
            counts.iter().find(|(category, _)| category == "NUM_REPORTS_WITH_ERRORS").map(|(_, n)| *n);
        total.or_else(|| Some(counts.iter().map(|(_, count)| count).sum())).filter(|count| *count > 0)
    }

    /// A chip, and a progress bar while it runs.
    pub(super) fn state(self) -> Markup {
        let status = self.text("/job_status");
        let code = self.text("/result_info/return_code");
        let class = match (status, code) {
            ("FINISHED", code) if code.starts_with("SUCCESS") => "chip good",
            ("FINISHED", _) => "chip bad",
            _ => "chip warn",
        };
        let said = match status {
            "RECEIVED" => "waiting",
            "IN_PROGRESS" => "running",
            "FINISHED" => "finished",
            other => other,
        };
        html! {
            span class=(class) { (said) }
            @if !self.has_ended() { @if let Some(read) = self.progress("reports_read") {
                " "
                @match self.progress("reports_total") {
                    Some(total) => { progress value=(read.min(total)) max=(total.max(1)) aria-label="Reports read" {} " " small { (parts::count(read)) " of " (parts::count(total)) } }
                    None => { progress aria-label="Reports read" {} " " small { (parts::count(read)) " reports" } }
                }
            } }
        }
    }

    fn progress(self, name: &str) -> Option<u64> {
        number(self.0.get("progress")?.get(name)?)
    }

    /// All that is to be known of it.
    pub(super) fn facts(self) -> Markup {
        let parameters = self.0.get("job_parameters").and_then(Value::as_object);
        let place = |bucket: &str, prefix: &str| {
            let (bucket, prefix) = (self.text(bucket), self.text(prefix));
            if bucket.is_empty() { prefix.to_owned() } else { format!("{bucket}/{prefix}") }
        };
        html! {
            dl.facts {
                dt { "State" } dd { (self.state()) }
                @for (name, value) in [
                    ("Result", self.text("/result_info/return_code").to_owned()),
                    ("Said", self.text("/result_info/return_message").to_owned()),
                    ("Received", self.text("/request_received_at").to_owned()),
                    ("Finished", self.finished_at().to_owned()),
                    ("Reports from", place("/input_data_bucket_name", "/input_data_blob_prefix")),
                    ("Summary to", place("/output_data_bucket_name", "/output_data_blob_prefix")),
                ] { @if !value.is_empty() { dt { (name) } dd { (value) } } }
                @for (name, value) in parameters.into_iter().flatten().take(MAX_ERRORS) {
                    dt { code { (name) } } dd { @match value.as_str() { Some(text) => (text), None => (value.to_string()) } }
                }
            }
        }
    }

    /// What reports were left out for.
    pub(super) fn errors(self) -> Markup {
        let list = |pointer| self.0.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let counts = list("/result_info/error_summary/error_counts");
        let messages = list("/result_info/error_summary/error_messages");
        html! {
            @if !counts.is_empty() || !messages.is_empty() {
                section.card {
                    h2 { "Reports that were left out" }
                    div.scroll { table {
                        thead { tr { th { "Why" } th.numeric { "Reports" } th { "What it means" } } }
                        tbody { @for error in counts.iter().take(MAX_ERRORS) { tr {
                            td data-label="Why" { code { (error.get("category").and_then(Value::as_str).unwrap_or_default()) } }
                            td.numeric data-label="Reports" { (error.get("count").and_then(number).map_or("–".to_owned(), parts::count)) }
                            td.wide data-label="What it means" { (error.get("description").and_then(Value::as_str).unwrap_or_default()) }
                        } } }
                    } }
                    @for message in messages.iter().filter_map(Value::as_str).take(MAX_ERRORS) { p.problem { (message) } }
                }
            }
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
