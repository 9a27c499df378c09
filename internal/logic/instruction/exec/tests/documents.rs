//! The table of instructions in `docs/instructions.md` against the kernel: what each may be refused
//! with, and that it lists them all.

use super::world::{PAUSE, STOP, World, arrival, follow, follow_me, genesis, id, knock};
use crate::{ActionTable, Arrival, Genesis, Input, Patch, State, step};
use faceshare_biz::domain::instruction::{Action, ActionKey, ActionValue, Command, Invite, Lock};
use faceshare_biz::domain::{KnockId, MemberId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Codes = BTreeMap<&'static str, BTreeSet<String>>;

/// Refusals that come before the kernel is asked, or after it: rates, sizes, the log.
const OF_OTHERS: [&str; 3] = ["RATE_LIMITED", "PAYLOAD_TOO_LARGE", "UNAVAILABLE"];

/// The rows of the section "From clients": the instructions a row is about, and the codes that it
/// names.
fn documented() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../../docs/instructions.md"
    );
    let page = std::fs::read_to_string(path).expect("the page is there");
    let section = page
        .split("## From clients")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the section is there");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row
            .replace("\\|", "/")
            .split('|')
            .map(str::to_owned)
            .collect();
        (
            quoted(&cells[1]).collect(),
            quoted(&cells[3]).filter(|word| is_code(word)).collect(),
        )
    })
    .collect()
}

/// The words in backticks; of `name {fields}` the name.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|w| w.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    words.into_iter()
}

fn is_code(word: &str) -> bool {
    faceshare_biz::ErrorCode::ALL
        .iter()
        .any(|code| code.as_str() == word)
}

/// Sessions in which everything that can stand in an instruction's way does, somewhere.
fn situations() -> Vec<State> {
    let people = ["ann", "bob", "cat", "dan"];
    let quiet = World::with(&people);
    let mut chain = World::with(&people);
    chain.say("bob", follow("cat"));
    chain.say("cat", follow("dan"));
    let mut asking = World::with(&people);
    asking.say("bob", follow_me(Invite::Ask, Lock::None));
    let mut locked = World::with(&people);
    locked.say(
        "ann",
        Command::FollowMe {
            invite: Invite::On,
            lock: Lock::Hard,
            presenter: Some(id("bob")),
        },
    );
    let mut closing = World::of(Genesis {
        auto_end_after: Some(Duration::from_secs(400)),
        ..genesis()
    })
    .joined(&people);
    closing.wait(Duration::from_secs(200));
    let mut full = World::with(&people);
    full.does(Input::Arrive(Box::new(Arrival {
        approval: true,
        ..arrival("eve", 1, 1)
    })));
    full.does(Input::Patch {
        by: id("ann"),
        patch: Patch {
            max_members: Some(1),
            ..Patch::default()
        },
    });
    let mut answered = World::with(&people);
    answered.does(Input::Arrive(Box::new(Arrival {
        approval: true,
        ..arrival("eve", 1, 1)
    })));
    answered.say(
        "ann",
        Command::Deny {
            knock: Some(knock("eve", 1)),
        },
    );
    let mut away = World::with(&people);
    away.lose("dan", 1);
    away.wait(Duration::from_secs(5));
    [quiet, chain, asking, locked, closing, full, answered, away]
        .into_iter()
        .map(|w| w.state)
        .collect()
}

fn commands() -> Vec<Command> {
    let targets = || {
        ["ann", "bob", "cat", "dan"]
            .map(|name| Some(id(name)))
            .into_iter()
            .chain([None, MemberId::new(424_242)])
    };
    let presenting = targets().flat_map(|presenter| {
        let how = [
            (Invite::Ask, Lock::None),
            (Invite::On, Lock::Hard),
            (Invite::Ask, Lock::Hard),
        ];
        how.map(|(invite, lock)| Command::FollowMe {
            invite,
            lock,
            presenter,
        })
    });
    let following = targets().map(|target| Command::FollowOther { target });
    let knocks = [None, KnockId::new(1), Some(knock("eve", 1))];
    let answering = knocks
        .into_iter()
        .flat_map(|knock| [Command::Admit { knock }, Command::Deny { knock }]);
    let rest = [
        Command::Quit,
        Command::CancelFollowMe,
        Command::CancelAutoEnd,
        Command::PointState { background: true },
        PAUSE,
        STOP,
    ];
    presenting
        .chain(following)
        .chain(answering)
        .chain(rest)
        .collect()
}

fn observed() -> Codes {
    let mut codes = Codes::new();
    for state in situations() {
        let rules = crate::Rules::default();
        for (member, presence) in state.present() {
            let Some(point) = presence.points.keys().next().copied() else {
                continue;
            };
            for command in commands() {
                let refusals = codes.entry(command.name()).or_default();
                let input = Input::Command {
                    member,
                    point,
                    nonce: 0,
                    command,
                };
                if let Err(reject) = step(&state, &rules, state.last_at(), input) {
                    refusals.insert(reject.code.as_str().to_owned());
                }
            }
        }
    }
    codes.insert("actionSync", refused_positions());
    codes.insert("ackHeart", BTreeSet::new());
    codes
}

fn refused_positions() -> BTreeSet<String> {
    let state = World::with(&["ann"]).state;
    let mut table = ActionTable::default();
    let position = |key: &str, x: f64| Action {
        file: None,
        key: ActionKey::new(key, 32).expect("short"),
        term: 0,
        value: ActionValue::Pointer { x, y: 0.0 },
        size: 10,
    };
    let tried =
        [("a", 0.5), ("b", 0.5), ("a", 2.0), ("a", f64::NAN)].map(|(key, x)| position(key, x));
    tried
        .iter()
        .filter_map(|action| table.accept(&state, id("ann"), action, 1).err())
        .map(|r| r.code.as_str().to_owned())
        .collect()
}

#[test]
fn the_table_names_every_refusal_of_the_kernel_and_no_other() {
    let observed = observed();
    let mut listed = BTreeSet::new();
    for (instructions, codes) in documented() {
        for instruction in instructions {
            let expected = observed
                .get(instruction.as_str())
                .unwrap_or_else(|| panic!("{instruction} is no instruction of a client"));
            let codes: BTreeSet<_> = codes
                .iter()
                .filter(|code| !OF_OTHERS.contains(&code.as_str()))
                .cloned()
                .collect();
            assert_eq!(
                &codes, expected,
                "{instruction}: what is documented, and what the kernel says"
            );
            listed.insert(instruction);
        }
    }
    let known: BTreeSet<_> = observed.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        listed, known,
        "the instructions in the table, and those that there are"
    );
    assert_ne!(
        Timestamp::default(),
        situations()[0].last_at(),
        "the situations are not empty"
    );
}
