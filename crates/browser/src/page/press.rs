//! Keys as a user presses them.

use serde_json::{Value, json};

use super::{Page, PageError};

/// A key that does something by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// Follows a link, presses a button, submits a form.
    Enter,
    /// Presses a button, scrolls a page.
    Space,
    /// Moves the focus on.
    Tab,
    /// Closes what is open.
    Escape,
}

pub(super) async fn press(page: &Page, key: Key) -> Result<(), PageError> {
    let (name, code, number, text) = match key {
        Key::Enter => ("Enter", "Enter", 13, "\r"),
        Key::Space => (" ", "Space", 32, " "),
        Key::Tab => ("Tab", "Tab", 9, ""),
        Key::Escape => ("Escape", "Escape", 27, ""),
    };
    let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
    for (kind, text) in [(down, text), ("keyUp", "")] {
        let event = json!({
            "type": kind, "key": name, "code": code, "windowsVirtualKeyCode": number, "text": text,
        });
        let _: Value = page.ask("Input.dispatchKeyEvent", event).await?;
    }
    Ok(())
}
