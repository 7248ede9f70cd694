//! A page on which people see the tags, copy them, and try them.

use super::{Tag, markup};
use crate::campaigns::Campaigns;

/// Looks: of the system's colours, in light and dark.
const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:auto;padding:1rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:.75rem;border:1px solid #8888;border-radius:.4rem}code{font-size:.85rem}\
button{font:inherit;padding:.2rem .8rem;margin-right:.5rem}output{display:block;min-height:1.5rem}h3{margin-bottom:.3rem}";

/// What the buttons do. A tag rests in a template, where nothing of it is loaded or run, until it is tried.
const SCRIPT: &str = "document.addEventListener('click', event => {\
const tag = event.target.closest('section.tag');\
if (!tag || !event.target.dataset.does) return;\
const output = tag.querySelector('output');\
if (event.target.dataset.does === 'try') {\
output.replaceChildren('Sent at ' + new Date().toLocaleTimeString() + '. ', tag.querySelector('template').content.cloneNode(true));\
} else {\
navigator.clipboard.writeText(tag.querySelector('code').textContent).then(() => output.textContent = 'Copied.');\
}});";

impl Campaigns {
    /// The page, complete: it loads nothing but the tags that are tried.
    #[must_use]
    pub fn preview_page(&self) -> String {
        let origin = markup::html(self.origin.as_str());
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Tags of {origin}</title>\n\
             <style>{STYLE}</style>\n<h1>Tags of {origin}</h1>\n\
             <p>Parameters are filled with examples. A browser needs the Attribution Reporting API for tags to \
             register anything; what they show is the same without it.</p>\n"
        );
        let mut heading = String::new();
        for tag in self.example_tags() {
            if heading != tag.of {
                heading.clone_from(&tag.of);
                page.push_str(&format!("<h2>{}</h2>\n", markup::html(&heading)));
            }
            page.push_str(&section(&tag));
        }
        page.push_str(&format!("<script>{SCRIPT}</script>\n</html>\n"));
        page
    }
}

fn section(tag: &Tag) -> String {
    format!(
        "<section class=\"tag\">\n<h3>{}</h3>\n<pre><code>{}</code></pre>\n<template>{}</template>\n\
         <button data-does=\"try\">Try</button><button data-does=\"copy\">Copy</button><output></output>\n</section>\n",
        markup::html(tag.way),
        markup::html(&tag.html),
        tag.html,
    )
}
