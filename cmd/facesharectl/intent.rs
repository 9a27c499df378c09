//! Intents of the user, parsed from a key or from a line.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use entrance_client::SessionView;
use faceshare_api::v1::follow_me::Invite;

/// One step of the arrow keys, as a part of the page.
const SCROLL_STEP: f64 = 0.1;
const ZOOM_STEP: f64 = 1.25;

/// A command of the user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Intent {
    Present,
    StopPresenting,
    Page(u32),
    TurnPage(i32),
    Scroll(f64),
    ScrollTo(f64),
    Zoom(f64),
    Point(f64, f64),
    Select(isize),
    /// `None`: the selected one.
    Follow(Option<u64>),
    Unfollow,
    /// Pause, or go on.
    Suspend,
    /// `None`: the next of ask, on, off.
    Invite(Option<Invite>),
    /// Only the host may stop following the presenter.
    LockFollowing,
    /// No new person gets in.
    LockDoor,
    Rotate,
    Remove(Option<u64>),
    /// A knock; `None`: the oldest.
    Admit(Option<u64>),
    /// A knock; `None`: the oldest.
    Deny(Option<u64>),
    End,
    Confirm(bool),
    Quit,
}

impl Intent {
    /// Whether only the host may do it. Answers to knocks are not included, because only the host
    /// sees knocks.
    pub(crate) const fn is_hosts(self) -> bool {
        matches!(
            self,
            Self::LockFollowing | Self::LockDoor | Self::Rotate | Self::Remove(_) | Self::End
        )
    }
}

/// What a key means; `confirming` while a question is open.
pub(crate) fn from_key(key: KeyEvent, confirming: bool) -> Option<Intent> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(key.code, KeyCode::Char('c' | 'd')).then_some(Intent::Quit);
    }
    if confirming {
        return Some(Intent::Confirm(matches!(
            key.code,
            KeyCode::Char('y' | 'Y')
        )));
    }
    Some(match key.code {
        KeyCode::Char('p') => Intent::Present,
        KeyCode::Char('P') => Intent::StopPresenting,
        KeyCode::Right | KeyCode::PageDown | KeyCode::Char('n') => Intent::TurnPage(1),
        KeyCode::Left | KeyCode::PageUp | KeyCode::Char('b') => Intent::TurnPage(-1),
        KeyCode::Down => Intent::Scroll(SCROLL_STEP),
        KeyCode::Up => Intent::Scroll(-SCROLL_STEP),
        KeyCode::Char('+' | '=') => Intent::Zoom(ZOOM_STEP),
        KeyCode::Char('-') => Intent::Zoom(1.0 / ZOOM_STEP),
        KeyCode::Char('j') => Intent::Select(1),
        KeyCode::Char('k') => Intent::Select(-1),
        KeyCode::Char('f') => Intent::Follow(None),
        KeyCode::Char('u') => Intent::Unfollow,
        KeyCode::Char('s') => Intent::Suspend,
        KeyCode::Char('i') => Intent::Invite(None),
        KeyCode::Char('l') => Intent::LockFollowing,
        KeyCode::Char('L') => Intent::LockDoor,
        KeyCode::Char('r') => Intent::Rotate,
        KeyCode::Char('x') => Intent::Remove(None),
        KeyCode::Char('a') => Intent::Admit(None),
        KeyCode::Char('d') => Intent::Deny(None),
        KeyCode::Char('E') => Intent::End,
        KeyCode::Char('q') => Intent::Quit,
        _ => return None,
    })
}

/// What the lines are, for `help`.
pub(crate) const LINE_HELP: &str = "present | stop | page N | next | back | scroll PERCENT | zoom FACTOR | point X% Y% | follow NAME | unfollow | \
     suspend (again: go on) | invite ask|on|off | who | sleep SECONDS | quit";
/// The lines that only the host may use.
pub(crate) const HOST_LINE_HELP: &str =
    "lock | door | rotate | remove NAME | admit [NAME] | deny [NAME] | end";

/// What a line means.
///
/// # Errors
/// One line that says what is wrong with it.
pub(crate) fn from_line(line: &str, view: &SessionView) -> Result<Intent, String> {
    let (word, rest) = line
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((line.trim(), ""));
    let rest = rest.trim();
    Ok(match word {
        "present" => Intent::Present,
        "stop" => Intent::StopPresenting,
        "page" => Intent::Page(rest.parse().map_err(|_| format!("not a page: {rest:?}"))?),
        "next" | "n" => Intent::TurnPage(1),
        "back" | "b" => Intent::TurnPage(-1),
        "scroll" => Intent::ScrollTo(percent(rest)?),
        "zoom" => Intent::Zoom(
            rest.parse()
                .ok()
                .filter(|zoom: &f64| zoom.is_finite() && *zoom > 0.0)
                .ok_or(format!("not a factor: {rest:?}"))?,
        ),
        "point" => {
            let (x, y) = rest.split_once(char::is_whitespace).ok_or("point X% Y%")?;
            Intent::Point(percent(x)?, percent(y)?)
        }
        "follow" => Intent::Follow(Some(member(rest, view)?)),
        "unfollow" => Intent::Unfollow,
        "suspend" | "resume" => Intent::Suspend,
        "invite" => Intent::Invite(Some(match rest {
            "ask" => Invite::Ask,
            "on" => Invite::On,
            "off" => Invite::Off,
            _ => return Err("invite ask, on or off".into()),
        })),
        "lock" => Intent::LockFollowing,
        "door" => Intent::LockDoor,
        "rotate" => Intent::Rotate,
        "remove" => Intent::Remove(Some(member(rest, view)?)),
        "admit" => Intent::Admit(knock(rest, view)?),
        "deny" => Intent::Deny(knock(rest, view)?),
        "end" => Intent::End,
        "quit" | "leave" => Intent::Quit,
        _ => return Err(format!("unknown command {word:?}; try help")),
    })
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().trim_end_matches('%').parse().ok();
    number
        .filter(|n| (0.0..=100.0).contains(n))
        .map(|n| n / 100.0)
        .ok_or(format!("not a percentage: {text:?}"))
}

/// The id of a member by its name (upper and lower case are equal) or by its id.
fn member(text: &str, view: &SessionView) -> Result<u64, String> {
    let named: Vec<u64> = view
        .roster()
        .iter()
        .filter(|member| {
            member.nickname.to_lowercase() == text.to_lowercase()
                || member.member_id.to_string() == text
        })
        .map(|member| member.member_id)
        .collect();
    match named.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("no member is called {text:?}")),
        _ => Err(format!(
            "several here are called {text:?}; say the id (see who)"
        )),
    }
}

/// The id of a knock by the person's name or by its id; `None` (the oldest) for an empty text.
fn knock(text: &str, view: &SessionView) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let named = view.knocks.values().filter(|knock| {
        knock.nickname.to_lowercase() == text.to_lowercase() || knock.knock_id.to_string() == text
    });
    match named
        .map(|knock| knock.knock_id)
        .collect::<Vec<u64>>()
        .as_slice()
    {
        [one] => Ok(Some(*one)),
        [] => Err(format!("no one at the door is called {text:?}")),
        _ => Err(format!(
            "several at the door are called {text:?}; say the id (see who)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Intent, from_key, from_line};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use entrance_client::SessionView;
    use faceshare_api::v1::{Member, MemberKnock};

    fn view() -> SessionView {
        let member = |id, nickname: &str| {
            (
                id,
                Member {
                    member_id: id,
                    nickname: nickname.into(),
                    ..Member::default()
                },
            )
        };
        let knock = |knock_id, nickname: &str| {
            (
                knock_id,
                MemberKnock {
                    knock_id,
                    nickname: nickname.into(),
                    ..MemberKnock::default()
                },
            )
        };
        SessionView {
            members: [member(1, "Ann"), member(2, "Ben"), member(3, "Ben")].into(),
            knocks: [knock(8, "Zoe"), knock(9, "Kim"), knock(10, "Kim")].into(),
            ..SessionView::default()
        }
    }

    #[test]
    fn lines_are_parsed() {
        for (line, intent) in [
            (" present ", Intent::Present),
            ("page 3", Intent::Page(3)),
            ("scroll 25%", Intent::ScrollTo(0.25)),
            ("point 50 75", Intent::Point(0.5, 0.75)),
            ("follow ann", Intent::Follow(Some(1))),
            ("follow 3", Intent::Follow(Some(3))),
            ("admit", Intent::Admit(None)),
            ("admit zoe", Intent::Admit(Some(8))),
            ("deny 9", Intent::Deny(Some(9))),
            ("quit", Intent::Quit),
        ] {
            assert_eq!(from_line(line, &view()), Ok(intent), "{line}");
        }
    }

    #[test]
    fn invalid_lines_are_refused_with_the_reason() {
        for (line, why) in [
            ("page x", "not a page"),
            ("follow Zoe", "no member is called"),
            ("follow Ben", "several here"),
            ("admit Ann", "no one at the door"),
            ("deny Kim", "several at the door"),
            ("zoom -1", "not a factor"),
            ("scroll 300", "not a percentage"),
            ("dance", "unknown command"),
        ] {
            let said = from_line(line, &view()).expect_err("refused");
            assert!(said.starts_with(why), "{line}: {said}");
        }
    }

    #[test]
    fn only_y_confirms_a_question_and_any_other_key_is_no() {
        let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        assert_eq!(from_key(key('p'), false), Some(Intent::Present));
        assert_eq!(from_key(key('p'), true), Some(Intent::Confirm(false)));
        assert_eq!(from_key(key('y'), true), Some(Intent::Confirm(true)));
        assert_eq!(
            from_key(
                KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL),
                true
            ),
            Some(Intent::Quit)
        );
        assert_eq!(from_key(key('z'), false), None);
    }
}
