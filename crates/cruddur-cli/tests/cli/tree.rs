//! The whole command tree, frozen: a change to it shows up in review.

use crate::support::BINARY;

#[test]
fn the_help_of_every_command() {
    let mut shown = String::new();
    describe(&[], &mut shown);
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("tree", shown);
    });
}

/// Adds a command's help and that of every command below it.
fn describe(path: &[&str], shown: &mut String) {
    let help = help(path);
    shown.push_str(&format!("$ cruddur {} -h\n{help}\n", path.join(" ")));
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description's second line is indented further.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help");
    for command in commands {
        describe(&[path, &[command]].concat(), shown);
    }
}

fn help(path: &[&str]) -> String {
    // Help is as wide as COLUMNS says.
    let output = std::process::Command::new(BINARY)
        .args(path)
        .arg("-h")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{path:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    // The global options are the same everywhere.
    match help.split_once("Global options:") {
        Some((own, _)) if !path.is_empty() => own.trim_end().to_owned() + "\n",
        _ => help,
    }
}
