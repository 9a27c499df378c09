//! `actionSync`.

use super::world::{World, follow_me, id};
use crate::{ActionTable, ActionVerdict, Reject};
use faceshare_biz::ErrorCode;
use faceshare_biz::domain::instruction::{
    Action, ActionKey, ActionValue, Command, Invite, Lock, View,
};

const KEYS: usize = 3;

fn action(key: &str, term: u32, value: ActionValue) -> Action {
    Action {
        file: None,
        key: ActionKey::new(key, 32).expect("a key"),
        term,
        value,
        size: 10,
    }
}

fn pointer(x: f64, y: f64) -> ActionValue {
    ActionValue::Pointer { x, y }
}

const fn view(x: f64, y: f64, zoom: f64, rotation: u32) -> ActionValue {
    ActionValue::View(View {
        page: 0,
        x,
        y,
        zoom,
        rotation,
    })
}

fn put(
    table: &mut ActionTable,
    w: &World,
    who: &str,
    action: &Action,
) -> Result<ActionVerdict, Reject> {
    table.accept(&w.state, id(who), action, KEYS)
}

fn latest(table: &ActionTable, w: &World, who: &str) -> Vec<(String, ActionValue)> {
    let sent = table.latest(&w.state, id(who));
    assert!(sent.iter().all(|s| s.from == id(who)));
    sent.into_iter()
        .map(|s| (s.action.key.as_str().to_owned(), s.action.value))
        .collect()
}

#[test]
fn places_are_in_0_to_1_and_finite() {
    let w = World::with(&["ann"]);
    let mut table = ActionTable::default();
    for value in [
        pointer(0.0, 1.0),
        pointer(1.0, 0.5),
        view(0.0, 1.0, 0.0, 0),
        view(0.5, 0.5, 400.0, 270),
    ] {
        assert_eq!(
            put(&mut table, &w, "ann", &action("k", 0, value)),
            Ok(ActionVerdict::Deliver)
        );
    }
    for bad in [-0.001, 1.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for value in [
            pointer(bad, 0.0),
            pointer(0.0, bad),
            view(bad, 0.0, 1.0, 0),
            view(0.0, bad, 1.0, 0),
        ] {
            let refused =
                put(&mut table, &w, "ann", &action("bad", 0, value)).expect_err("refused");
            assert_eq!(refused.code, ErrorCode::InvalidArgument);
            assert!(
                refused
                    .path
                    .is_some_and(|p| p.ends_with(".x") || p.ends_with(".y"))
            );
        }
    }
    assert_eq!(
        latest(&table, &w, "ann").len(),
        1,
        "what is refused is not kept"
    );
}

#[test]
fn zoom_is_positive_and_finite_and_rotation_a_quarter_turn() {
    let w = World::with(&["ann"]);
    let mut table = ActionTable::default();
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = put(
            &mut table,
            &w,
            "ann",
            &action("k", 0, view(0.0, 0.0, bad, 0)),
        )
        .expect_err("refused");
        assert_eq!(refused.path, Some("actionSync.view.zoom"));
    }
    for bad in [1, 45, 89, 360] {
        let refused = put(
            &mut table,
            &w,
            "ann",
            &action("k", 0, view(0.0, 0.0, 1.0, bad)),
        )
        .expect_err("refused");
        assert_eq!(refused.path, Some("actionSync.view.rotation"));
    }
    for turn in [0, 90, 180, 270] {
        assert!(
            put(
                &mut table,
                &w,
                "ann",
                &action("k", 0, view(0.0, 0.0, 1.0, turn))
            )
            .is_ok()
        );
    }
}

#[test]
fn the_newest_of_a_key_replaces_and_keys_are_independent() {
    let w = World::with(&["ann", "bob"]);
    let mut table = ActionTable::default();
    for (key, x) in [("a", 0.1), ("b", 0.2), ("a", 0.3)] {
        assert_eq!(
            put(&mut table, &w, "ann", &action(key, 0, pointer(x, 0.0))),
            Ok(ActionVerdict::Deliver)
        );
    }
    assert_eq!(
        latest(&table, &w, "ann"),
        [
            ("a".to_owned(), pointer(0.3, 0.0)),
            ("b".to_owned(), pointer(0.2, 0.0))
        ]
    );
    assert_eq!(latest(&table, &w, "bob"), []);
}

#[test]
fn a_term_counts_only_while_its_sender_presents_in_it() {
    let mut w = World::with(&["ann", "bob"]);
    let mut table = ActionTable::default();
    let in_term = |term| action("k", term, pointer(0.5, 0.5));
    assert_eq!(
        put(&mut table, &w, "bob", &in_term(1)),
        Ok(ActionVerdict::Dropped)
    );
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    assert_eq!(
        put(&mut table, &w, "bob", &in_term(1)),
        Ok(ActionVerdict::Deliver)
    );
    assert_eq!(
        put(&mut table, &w, "bob", &in_term(2)),
        Ok(ActionVerdict::Dropped)
    );
    assert_eq!(
        put(&mut table, &w, "ann", &in_term(1)),
        Ok(ActionVerdict::Dropped),
        "another's term"
    );
    assert_eq!(latest(&table, &w, "bob").len(), 1);
    w.say("bob", Command::CancelFollowMe);
    assert_eq!(
        latest(&table, &w, "bob"),
        [],
        "what was said in a term that is over is not shown to newcomers"
    );
    assert_eq!(
        put(&mut table, &w, "bob", &in_term(0)),
        Ok(ActionVerdict::Deliver),
        "not as presenter is always accepted"
    );
}

#[test]
fn keys_are_limited_and_those_of_old_terms_give_way() {
    let mut w = World::with(&["ann", "bob"]);
    let mut table = ActionTable::default();
    w.say("bob", follow_me(Invite::Ask, Lock::None));
    for (key, term) in [("a", 1), ("b", 1), ("c", 0)] {
        put(&mut table, &w, "bob", &action(key, term, pointer(0.1, 0.1))).expect("accepted");
    }
    let fourth = action("d", 0, pointer(0.1, 0.1));
    assert_eq!(
        put(&mut table, &w, "bob", &fourth).map_err(|r| r.code),
        Err(ErrorCode::LimitExceeded)
    );
    assert!(
        put(&mut table, &w, "bob", &action("c", 0, pointer(0.2, 0.2))).is_ok(),
        "a key in use is none more"
    );
    assert!(
        put(&mut table, &w, "ann", &fourth).is_ok(),
        "keys are the sender's own"
    );
    w.say("bob", Command::CancelFollowMe);
    assert!(put(&mut table, &w, "bob", &fourth).is_ok());
}

#[test]
fn who_is_gone_is_forgotten() {
    let w = World::with(&["ann"]);
    let mut table = ActionTable::default();
    put(&mut table, &w, "ann", &action("k", 0, pointer(0.1, 0.1))).expect("accepted");
    table.forget(id("ann"));
    assert_eq!(latest(&table, &w, "ann"), []);
}

#[test]
fn a_custom_value_is_taken_as_it_is() {
    let w = World::with(&["ann"]);
    let mut table = ActionTable::default();
    assert!(
        put(
            &mut table,
            &w,
            "ann",
            &action("", 0, ActionValue::Custom(Default::default()))
        )
        .is_ok()
    );
}
