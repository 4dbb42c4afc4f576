//! The description of the API is kept: Schemathesis makes requests from it, good and bad ones, and holds every answer to it.

use std::path::Path;
use std::process::Command;

use tests::parts::of_python;
use tests::{KEY, TestApp, person};

use super::logins::{Inbox, log_in};

/// What is held. What is well-formed by the schema and wrong all the same (nobody has that id, the least age is above the greatest) is refused, as it must be:
/// that "valid data is accepted" is no check of ours.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth,unsupported_method";

fn run(schemathesis: &Path, app: &TestApp, key: &str, seconds: u32, more: &[&str]) {
    let mut command = Command::new(schemathesis);
    command.args([
        "run",
        &format!("{}/openapi.json", app.address),
        "--checks",
        CHECKS,
        "--header",
        &format!("Authorization: Bearer {key}"),
    ]);
    command.args(["--max-time", &seconds.to_string(), "--generation-database", "none", "--no-color", "--warnings", "off"]).args(more);
    // What it keeps between runs goes with the folder of the node.
    let done = command.current_dir(app.folder()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let end: String = said.chars().rev().take(6_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(done.status.success(), "{end}\n{}", String::from_utf8_lossy(&done.stderr));
    let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: ")).and_then(|n| n.parse::<u32>().ok());
    assert!(tested > Some(5), "{end}");
    println!("{}", said.lines().rev().find(|line| line.contains(" generated")).unwrap_or_default().trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_description_says() {
    let Some(schemathesis) = of_python("schemathesis") else { return };
    let inbox = Inbox::open().await;
    let app = TestApp::start_with(|config| inbox.configure(&mut config.auth)).await;
    app.with_user(1, &person("小红", "female", "male")).await;
    app.with_user(2, &person("Bob", "male", "female")).await;
    let login = log_in(&app, &inbox, "+8613812345678", "phone").await;
    let token = login["access_token"].as_str().unwrap().to_owned();
    tokio::task::block_in_place(|| {
        run(&schemathesis, &app, KEY, 20, &[]);
        // As somebody who stays logged in.
        run(&schemathesis, &app, &token, 15, &["--exclude-method", "DELETE", "--exclude-path-regex", "logout"]);
    });
    assert_eq!(app.get("/readyz").await.status, 200);
    app.stop().await;
}
