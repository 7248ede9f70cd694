//! Logging in and out.

use axum::{
    Extension, Form,
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use maud::html;
use serde::Deserialize;

use super::{Shared, guard::Visitor, layout};
use crate::server::Peer;

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Logout {
    #[serde(default)]
    csrf: String,
}

pub(super) async fn page(State(dashboard): State<Shared>, Query(wanted): Query<Wanted>) -> Response {
    form(&dashboard, local(&wanted.next), None).into_response()
}

pub(super) async fn login(
    State(dashboard): State<Shared>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    let next = local(&login.next).to_owned();
    let peer = peer.map(|Extension(peer)| peer);
    match dashboard.guard.log_in(login.password, &headers, peer.as_ref()).await {
        Ok(Some(cookie)) => ([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response(),
        Ok(None) => {
            let page = form(&dashboard, &next, Some("That is not the password."));
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
        Err(wait) => {
            let seconds = wait.as_secs() + 1;
            let said = format!("Too many attempts. Try again in {seconds} seconds.");
            let page = form(&dashboard, &next, Some(&said));
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], page)
                .into_response()
        }
    }
}

pub(super) async fn logout(
    State(dashboard): State<Shared>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(logout): Form<Logout>,
) -> Response {
    if !visitor.sent(&logout.csrf) {
        return layout::refused(StatusCode::FORBIDDEN, "This form was not made for you: reload the page.");
    }
    let cookie = dashboard.guard.log_out(&headers);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/dashboard/login")).into_response()
}

/// A path of the dashboard; whatever else is asked for, the first page.
fn local(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if next.starts_with("/dashboard/") && plain { next } else { "/dashboard/" }
}

fn form(dashboard: &Shared, next: &str, problem: Option<&str>) -> Html<String> {
    layout::bare(
        "Log in",
        html! {
            form.login method="post" action="/dashboard/login" {
                div.brand { img src="/dashboard/icon.svg" alt="" width="36" height="36"; h1 { "Ascribe " span { "collector" } } }
                @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
                @if dashboard.guard.takes_passwords() {
                    input type="hidden" name="next" value=(next);
                    // Password managers ask for a name.
                    input.unseen type="text" name="username" value="collector" autocomplete="username" aria-hidden="true" tabindex="-1" readonly;
                    label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus; }
                    button.primary type="submit" { "Log in" }
                } @else {
                    p { "There is no password: programs come with the token. Make a hash with " code { "ascribe collector password" } " to let people in." }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn a_login_leads_nowhere_else() {
        assert_eq!(local("/dashboard/debug?type=a&campaign=b"), "/dashboard/debug?type=a&campaign=b");
        for elsewhere in [
            "",
            "https://evil.example/",
            "//evil.example/dashboard/",
            "/dashboard",
            "/dashboard/\r\nx: y",
            "/dashboard/\\evil",
        ] {
            assert_eq!(local(elsewhere), "/dashboard/");
        }
    }
}
