//! The tool as a small script that shows how it was called, and fails in every way a program can.

use super::*;
use std::path::Path;

/// Answers by function; `show` writes arguments, folder and environment to the file `seen`.
const SCRIPT: &str = r#"#!/bin/sh
show() {
    { for argument in "$@"; do printf '[%s]' "$argument"; done
      printf '\ncwd=%s ssh=%s secret=%s stdin=%s\n' "$(pwd)" "$SSH_CONNECTION" "$PMISPLICENSE_SECRET_0" "$(cat)"; } >seen
}
case "$5" in
paramlist) echo '<doc><elem><DBHost>localhost</DBHost></elem><elem><DBPassword> p </DBPassword></elem>
    <elem><name>DBName</name><value>billmgr</value></elem><elem/></doc>' ;;
processing.edit) echo '<doc><url>https://x</url><username>me</username><password> p&amp;w </password></doc>' ;;
task.gettype) echo '<doc><task_type> soft_open </task_type></doc>' ;;
refused) echo '<doc><error type="missed" object="elid"><msg>no such</msg></error></doc>' ;;
refused1) echo '<doc><error type="missed" object="elid"><msg>KEY-1 is bad</msg></error></doc>'; exit 1 ;;
exit2) echo 'KEY-1: core   is' >&2; echo 'not running' >&2; exit 2 ;;
exit3) echo '<doc/>'; exit 3 ;;
empty) ;;
cut) echo '<doc><ok>' ;;
rubbish) echo 'Segmentation fault' ;;
other) echo '<html/>' ;;
hang) exec sleep 5 ;;
heir) sleep 5 & echo '<doc><ok/></doc>' ;;
flood) head -c 17000000 /dev/zero | tr '\0' ' ' ;;
*) show "$@"; echo '<doc><ok/><service_id>7</service_id><service_id>8</service_id><id v="9"/></doc>' ;;
esac
"#;

/// A root with that tool. Another process writes the script, because a file that is open for writing here cannot be
/// run, even if only a child that another test is just starting has it open.
fn root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("sbin")).expect("a folder");
    let path = dir.path().join("sbin/mgrctl");
    let write = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
    let status = Command::new("sh").args(["-c", write, "sh", SCRIPT]).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()));
    dir
}

fn tool(root: &Path) -> Mgrctl {
    Mgrctl { time_limit: Duration::from_secs(2), ..Mgrctl::new(root) }
}

fn seen(root: &Path) -> (String, String) {
    let text = std::fs::read_to_string(root.join("seen")).expect("a call");
    let (arguments, rest) = text.split_once('\n').expect("two lines");
    (arguments.to_owned(), rest.trim_end().to_owned())
}

/// How each call looks to the tool: no shell, the root as folder, secrets in the environment after the parameters.
#[test]
fn the_tool_is_called_without_a_shell_and_secrets_are_kept_apart() {
    let dir = root();
    let mut mgrctl = tool(dir.path());
    let key = "KEY $HOME\n'".to_owned();
    for (call, arguments, secret) in [
        (
            PanelCall::SaveParams {
                item: ItemId(42),
                values: vec![("lickey", key.clone()), ("licid", "7".into()), ("licname", "a b=\"$(id)\"".into())],
            },
            "[service.saveparam][sok=ok][elid=42][licid=7][licname=a b=\"$(id)\"][crypted=off]\
             [-e][lickey=$PMISPLICENSE_SECRET_0]",
            key.trim_end(),
        ),
        (
            PanelCall::SaveParamOld { item: ItemId(42), name: "lickey", value: "KEY".into() },
            "[service.saveparam][sok=ok][elid=42][name=lickey][-e][value=$PMISPLICENSE_SECRET_0]",
            "KEY",
        ),
        (
            PanelCall::SaveParamOld { item: ItemId(42), name: "licid", value: "7".into() },
            "[service.saveparam][sok=ok][elid=42][name=licid][value=7]",
            "",
        ),
        (PanelCall::Post { func: "soft.open".into(), item: ItemId(42) }, "[soft.open][elid=42][sok=ok]", ""),
        (
            PanelCall::Import { values: vec![("module", "7".into())] },
            "[processing.import.service][sok=ok][module=7]",
            "",
        ),
        (
            PanelCall::RegisterProblem { values: vec![("sok", "ok".into()), ("id", "7".into())] },
            "[problems.register][sok=ok][id=7]",
            "",
        ),
    ] {
        let answer = mgrctl.call(&call).expect("an answer");
        assert_eq!(answer.get("service_id").map(String::as_str), Some("7"));
        assert_eq!(answer.get("id").map(String::as_str), Some("9"));
        let (seen_arguments, rest) = seen(dir.path());
        assert_eq!(seen_arguments, format!("[-m][billmgr][-o][xml]{arguments}"));
        let cwd = dir.path().canonicalize().expect("a folder");
        let want = format!("cwd={} ssh=pmisplicense secret={secret} stdin=", cwd.display());
        assert_eq!(rest, want);
    }
}

/// The calls that only `run` makes.
#[test]
fn the_calls_that_only_run_makes_are_sent_and_read() {
    let dir = root();
    let mgrctl = tool(dir.path());
    let params = mgrctl.paramlist().expect("parameters");
    let pairs: Vec<_> = params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("DBHost", "localhost"), ("DBName", "billmgr"), ("DBPassword", " p ")]);
    let access = mgrctl.processing_edit(ModuleId(7)).expect("settings");
    assert_eq!((access.url.as_str(), access.username.as_str(), access.password.as_str()), ("https://x", "me", " p&w "));
    assert_eq!(mgrctl.task_type("open", ItemId(42)).as_deref(), Ok("soft_open"));
    let operation = RunningOperationId(31);
    mgrctl.save_error(operation, "<doc a=\"1\"/>").expect("saved");
    assert!(seen(dir.path()).0.ends_with("[runningoperation.edit][sok=ok][elid=31][errorxml=<doc a=\"1\"/>]"));
    mgrctl.set_manual(operation).expect("set");
    assert!(seen(dir.path()).0.ends_with("[runningoperation.setmanual][elid=31][sok=ok]"));
    mgrctl.add_task(ItemId(42), operation, "soft_open").expect("added");
    assert!(seen(dir.path()).0.ends_with("[task.edit][sok=ok][item=42][runningoperation=31][type=soft_open]"));
    mgrctl.register_problem(ModuleId(7), "Licenses", "away").expect("registered");
    let want = "[problems.register][sok=ok][level=error][name=processingmodule_connect][id=7][param_pm_id=7]\
                [param_pm_name=Licenses][param_errormsg=away]";
    assert!(seen(dir.path()).0.ends_with(want));
}

/// Every way to fail, and what is known after it. Secrets that the tool quotes are masked.
#[test]
fn each_failure_of_the_tool_says_what_is_known_after_it() {
    let dir = root();
    let mgrctl = tool(dir.path());
    let run = |func: &str| mgrctl.run(&Form::new(func).with("lickey", "KEY-1"));
    for func in ["refused", "refused1"] {
        match run(func) {
            Err(PanelError::Refused { error_type, object, message }) => {
                assert_eq!((error_type.as_str(), object.as_str()), ("missed", "elid"));
                assert!(["no such", "*** is bad"].contains(&message.as_str()), "{message}");
            }
            other => panic!("{func}: {other:?}"),
        }
    }
    for (func, want) in [
        ("exit2", "failed (exit status: 2): ***: core is not running"),
        ("exit3", "failed (exit status: 3)"),
        ("empty", "cut off"),
        ("cut", "cut off"),
        ("rubbish", "besides its root"),
        ("other", "not <doc>"),
        ("flood", "longer than"),
        ("hang", "stopped after 2 s"),
    ] {
        match run(func) {
            Err(PanelError::Unknown(text)) => assert!(text.contains(want), "{func}: {text}"),
            other => panic!("{func}: {other:?}"),
        }
    }
    let started = Instant::now();
    assert!(run("heir").is_ok(), "a program that the tool left behind is not waited for");
    assert!(started.elapsed() < Duration::from_secs(2));
    for name in ["licname", "lickey"] {
        let long = mgrctl.run(&Form::new("service.saveparam").with(name, "x".repeat(128 * 1024)));
        let want = format!("mgrctl service.saveparam: {name} has 131072 bytes, and an argument may have 131008");
        assert_eq!(long, Err(PanelError::NotStarted(want)));
        assert!(mgrctl.run(&Form::new("x").with(name, "x".repeat(MAX_ARGUMENT - name.len()))).is_ok(), "{name}");
    }
    let nowhere = tool(&dir.path().join("none")).run(&Form::new("x"));
    assert!(matches!(nowhere, Err(PanelError::NotStarted(_))), "{nowhere:?}");
}

/// Something else reaped the tool (an ignored SIGCHLD does that too). Its answer proves nothing, and the run does not
/// wait for it.
#[test]
fn a_tool_whose_exit_status_is_lost_is_an_unknown_outcome_at_once() {
    let child = Command::new("sh").args(["-c", "echo '<doc><ok/></doc>'"]).stdout(Stdio::piped()).spawn();
    let child = child.expect("a shell");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).expect("reaped");
    let started = Instant::now();
    let ended = finish::finish(child, Duration::from_secs(30), [MAX_ANSWER, MAX_COMPLAINT]).expect("it has ended");
    assert!(started.elapsed() < Duration::from_secs(10));
    match judge("soft.open", ended.status, &ended.stdout, &ended.stderr) {
        Err(PanelError::Unknown(text)) => assert_eq!(text, "mgrctl soft.open ended, but its exit status is lost"),
        other => panic!("{other:?}"),
    }
}
