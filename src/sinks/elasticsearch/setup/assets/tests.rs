//! What is installed is what the servers' documents allow, and what the files for those who install by hand hold.

use super::*;

fn config(more: &str) -> Config {
    toml::from_str(&format!("endpoints = [\"https://es:9200\"]\n{more}")).expect("it parses")
}

#[test]
fn names_and_patterns_are_those_of_the_sink() {
    let check = |more: &str, expected: (&str, &str)| {
        let place = Place::of(&config(more)).expect("it has a place");
        assert_eq!((&*place.pattern, &*place.name), expected);
    };
    check("", ("logs-o365.audit-*", "o365flow-logs-o365.audit"));
    check("data_stream.dataset = \"o365.{{ kind }}\"", ("logs-o365.*-*", "o365flow-logs-o365"));
    check("mode = \"bulk\"", ("o365-*", "o365flow-o365"));
    check("mode = \"bulk\"\nbulk.index = \"a-%Y-{{ x }}.b\"", ("a-*-*.b", "o365flow-a-b"));
    for more in [
        "data_stream.dataset = \"{{ kind }}\"",
        "mode = \"bulk\"\nbulk.index = \"{{ kind }}-o365\"",
    ] {
        Place::of(&config(more)).expect_err("that is not ours alone");
    }
}

#[test]
fn what_is_installed_is_marked_and_known_again() {
    let place = Place::of(&config("")).expect("it has a place");
    let policy = place.policy(Product::Elasticsearch, None).expect("streams roll over");
    assert_eq!(policy.path(), "/_ilm/policy/o365flow-logs-o365.audit");
    let ours = Found::Ours { digest: policy.digest.clone() };
    assert_eq!(policy.owner(&json!({&policy.name: policy.body})), ours);
    assert_eq!(
        policy.owner(&json!({&policy.name: {"policy": {"phases": {}}}})),
        Found::SomebodyElses
    );

    let state = place.policy(Product::OpenSearch, None).expect("streams roll over");
    assert_eq!(state.path(), "/_plugins/_ism/policies/o365flow-logs-o365.audit");
    assert_eq!(state.owner(&state.body), Found::Ours { digest: state.digest.clone() });
    assert_eq!(state.owner(&json!({"policy": {"description": "mine"}})), Found::SomebodyElses);

    for fields in [Fields::Ecs, Fields::O365beat] {
        let templates =
            |policy| place.templates(fields, Product::Elasticsearch, policy).expect("built in");
        let named = templates(Some("p"));
        let [settings, .., index] = &*named else { panic!("a part and a whole") };
        assert_eq!(settings.body["template"]["settings"]["index.lifecycle.name"], "p");
        assert_eq!(index.body["composed_of"][0], *settings.name);
        assert_eq!(index.body["_meta"]["managed_by"], "o365flow");
        let unnamed = templates(None);
        assert_ne!(settings.digest, unnamed[0].digest);
        assert_eq!(named.last(), unnamed.last());
    }
}

#[test]
fn nothing_is_deleted_unless_that_was_asked_for() {
    let place = Place::of(&config("")).expect("it has a place");
    let policy = |product, days| place.policy(product, days).expect("streams roll over");
    let kept = policy(Product::Elasticsearch, None);
    assert_eq!(kept.body["policy"]["phases"]["hot"]["actions"]["rollover"]["max_age"], "30d");
    assert_eq!(kept.body["policy"]["phases"].get("delete"), None);
    let deleted = policy(Product::Elasticsearch, Some(365));
    assert_eq!(deleted.body["policy"]["phases"]["delete"]["min_age"], "365d");
    assert_ne!(kept.digest, deleted.digest);
    let kept = policy(Product::OpenSearch, None);
    assert_eq!(kept.body["policy"]["states"].as_array().map(Vec::len), Some(1));
    let deleted = policy(Product::OpenSearch, Some(365));
    let states = &deleted.body["policy"]["states"];
    assert_eq!(states[0]["transitions"][0]["state_name"], states[1]["name"]);
    assert_eq!(states[0]["transitions"][0]["conditions"]["min_rollover_age"], "365d");
}

/// The files are for those who install them by hand.
#[test]
fn what_is_installed_is_what_the_files_hold() {
    let check = |made: &Asset, file: &str| {
        let mut body = made.body.clone();
        let marked = match made.kind {
            AssetKind::LifecyclePolicy | AssetKind::StatePolicy => &mut body["policy"],
            AssetKind::ComponentTemplate | AssetKind::IndexTemplate => &mut body,
        };
        let marked = marked.as_object_mut().expect("it is an object");
        marked.retain(|key, _| !["_meta", "description"].contains(&&**key));
        let file: Value = serde_json::from_str(file).expect("it is JSON");
        assert_eq!(body, file, "{}", made.name);
    };
    let stream = Place::of(&config("")).expect("it has a place");
    let index = Place::of(&config("mode = \"bulk\"")).expect("it has a place");
    let policy = |product| stream.policy(product, None).expect("streams roll over");
    let whole = |place: &Place| {
        let made = place.templates(Fields::Ecs, Product::Elasticsearch, None);
        made.expect("built in").pop().expect("the index template comes last")
    };
    check(
        &policy(Product::Elasticsearch),
        include_str!("../../../../../config/elasticsearch/lifecycle.json"),
    );
    check(
        &policy(Product::OpenSearch),
        include_str!("../../../../../config/opensearch/state-policy.json"),
    );
    check(&whole(&stream), include_str!("../../../../../config/elasticsearch/data-stream.json"));
    check(&whole(&index), include_str!("../../../../../config/elasticsearch/index.json"));
}

/// The shape that Elasticsearch documents for a lifecycle policy: the servers of the tests have none.
#[track_caller]
fn check_lifecycle(body: &Value) {
    for (phase, settings) in body["policy"]["phases"].as_object().expect("phases by name") {
        let actions: &[&str] = match phase.as_str() {
            "hot" => &["set_priority", "rollover", "readonly", "shrink", "forcemerge"],
            "delete" => &["wait_for_snapshot", "delete"],
            other => panic!("we make no phase `{other}`"),
        };
        check_keys(settings, &["min_age", "actions"]);
        check_keys(&settings["actions"], actions);
        assert!(is_time(&settings["min_age"]), "{settings}");
        let rollover = &settings["actions"]["rollover"];
        check_keys(rollover, &["max_age", "max_docs", "max_size", "max_primary_shard_size"]);
        assert!(rollover.is_null() || is_time(&rollover["max_age"]), "{rollover}");
        check_keys(&settings["actions"]["delete"], &["delete_searchable_snapshot"]);
    }
}

/// The shape that `OpenSearch` documents for a policy of its Index State Management.
#[track_caller]
fn check_states(body: &Value) {
    let policy = &body["policy"];
    check_keys(policy, &["description", "default_state", "states", "ism_template"]);
    let states = policy["states"].as_array().expect("an array");
    let names: Vec<&Value> = states.iter().map(|state| &state["name"]).collect();
    assert!(names.contains(&&policy["default_state"]), "{policy}");
    for state in states {
        check_keys(state, &["name", "actions", "transitions"]);
        for action in state["actions"].as_array().expect("an array") {
            check_keys(action, &["rollover", "delete"]);
            let conditions =
                ["min_index_age", "min_doc_count", "min_size", "min_primary_shard_size"];
            check_keys(&action["rollover"], &conditions);
        }
        for transition in state["transitions"].as_array().expect("an array") {
            check_keys(transition, &["state_name", "conditions"]);
            assert!(names.contains(&&transition["state_name"]), "{transition}");
            let conditions = &transition["conditions"];
            check_keys(conditions, &["min_index_age", "min_rollover_age"]);
            assert!(is_time(&conditions["min_rollover_age"]), "{conditions}");
        }
    }
    for template in policy["ism_template"].as_array().expect("an array") {
        check_keys(template, &["index_patterns", "priority"]);
    }
}

/// Nothing, or an object with no other keys.
#[track_caller]
fn check_keys(object: &Value, known: &[&str]) {
    for key in object.as_object().into_iter().flatten().map(|(key, _)| key) {
        assert!(known.contains(&&**key), "`{key}` is not documented: {object}");
    }
}

/// A number and a unit, as both servers write spans of time.
fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    unit.len() < text.len() && ["d", "h", "m", "s", "ms"].contains(&unit)
}

#[test]
fn policies_have_the_documented_shape() {
    let place = Place::of(&config("")).expect("it has a place");
    for keep_days in [None, Some(1), Some(3650)] {
        let policy = |product| place.policy(product, keep_days).expect("streams roll over");
        let mut lifecycle = policy(Product::Elasticsearch).body;
        let marks = lifecycle["policy"]["_meta"].take();
        check_keys(&marks, &["managed_by", "version", "digest"]);
        lifecycle["policy"].as_object_mut().expect("an object").remove("_meta");
        check_keys(&lifecycle["policy"], &["phases"]);
        check_lifecycle(&lifecycle);
        check_states(&policy(Product::OpenSearch).body);
    }
}
