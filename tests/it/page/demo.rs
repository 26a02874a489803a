//! A newcomer's way: start the live demo, edit a program, see the output change.

use std::fs;

use super::scene::Scene;

#[tokio::test]
async fn an_edit_of_a_program_changes_the_demos_output_without_a_restart() {
    let scene = Scene::demo();
    scene.until_written("flat.ndjson", |event| event.get("note").is_none()).await;
    let program = scene.folder.path().join("vrl/flatten.vrl");
    let text = fs::read_to_string(&program).expect("it is there");
    fs::write(&program, format!("{text}.note = \"seen\"\n")).expect("it is written");
    scene.until_written("flat.ndjson", |event| event["note"] == "seen").await;

    // A mistake leaves it running as it was.
    fs::write(&program, format!("{text}.note = nowhere\n")).expect("it is written");
    let lines = scene.written("flat.ndjson").len();
    scene
        .until("so much more is written", || scene.written("flat.ndjson").len() > lines + 20)
        .await;
    assert_eq!(scene.written("flat.ndjson").last().expect("lines")["note"], "seen");
    assert!(scene.interrupt(), "it ends well");
}
