//! Clicks as a user makes them.

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Evaluated, PATIENCE, POLL, Page, PageError};

/// How to click; the default is the left button alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Click {
    /// The button.
    pub button: Button,
    /// With the Alt key held.
    pub alt: bool,
    /// With the Control key held.
    pub control: bool,
    /// With the Meta key held.
    pub meta: bool,
    /// With the Shift key held.
    pub shift: bool,
}

/// A button of the mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Button {
    /// The left one.
    #[default]
    Left,
    /// The middle one.
    Middle,
    /// The right one.
    Right,
}

/// Finds the middle of the first matching element with an area, in a world of its own so that the page cannot lie.
const PLACE: &str = r"selector => {
    for (const element of document.querySelectorAll(selector)) {
        element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
        for (const {x, y, width, height} of element.getClientRects())
            if (width > 0 && height > 0) return [x + width / 2, y + height / 2];
        if (element instanceof HTMLAreaElement) {
            const image = document.querySelector(`img[usemap='#${CSS.escape(element.parentElement.name)}']`);
            const [left, top, right = left, bottom = top] = element.coords.split(',').map(Number);
            const at = image?.getBoundingClientRect();
            if (at) return [at.x + (left + right) / 2, at.y + (top + bottom) / 2];
        }
    }
    return null;
}";

pub(super) async fn click(page: &Page, selector: &str, click: Click) -> Result<(), PageError> {
    let start = Instant::now();
    let (x, y) = loop {
        let place = place(page, selector).await?;
        match (place[0].as_f64(), place[1].as_f64()) {
            (Some(x), Some(y)) => break (x, y),
            _ if start.elapsed() < PATIENCE => sleep(POLL).await,
            _ => return Err(PageError::NotThere { selector: selector.into() }),
        }
    };
    let (button, buttons) = match click.button {
        Button::Left => ("left", 1),
        Button::Right => ("right", 2),
        Button::Middle => ("middle", 4),
    };
    let modifiers = [(click.alt, 1), (click.control, 2), (click.meta, 4), (click.shift, 8)];
    let modifiers: u8 = modifiers.into_iter().filter_map(|(held, bit)| held.then_some(bit)).sum();
    for (kind, buttons, count) in
        [("mouseMoved", 0, 0), ("mousePressed", buttons, 1), ("mouseReleased", 0, 1)]
    {
        let button = if kind == "mouseMoved" { "none" } else { button };
        let event = json!({
            "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": count,
            "modifiers": modifiers,
        });
        let _: Value = page.ask("Input.dispatchMouseEvent", event).await?;
    }
    Ok(())
}

async fn place(page: &Page, selector: &str) -> Result<Value, PageError> {
    let world = page.isolated_world().await?;
    let call = json!({
        "functionDeclaration": PLACE, "executionContextId": world, "arguments": [{"value": selector}],
        "returnByValue": true,
    });
    page.ask::<Evaluated>("Runtime.callFunctionOn", call).await?.value()
}
