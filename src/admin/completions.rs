//! Completions and the manual page. They are made from the declarations of the command line, so they are always up to
//! date.

use clap::CommandFactory;

use crate::cli::{AdminArgs, russian};
use crate::error::Lang;

/// The section of the manual: system administration.
const SECTION: &str = "8";

/// The headings of the manual that no setting of clap_mangen replaces.
const HEADINGS: [(&str, &str); 7] = [
    ("NAME", "ИМЯ"),
    ("SYNOPSIS", "ОБЗОР"),
    ("DESCRIPTION", "ОПИСАНИЕ"),
    ("OPTIONS", "ПАРАМЕТРЫ"),
    ("SUBCOMMANDS", "КОМАНДЫ"),
    ("EXTRA", "ДОПОЛНИТЕЛЬНО"),
    ("VERSION", "ВЕРСИЯ"),
];

/// The script with which a shell completes our commands. It is English, because it serves all users of a machine.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut AdminArgs::command(), "pmisplicense", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The manual: the program, then each of its commands.
pub fn page(lang: Lang) -> String {
    let mut text = Vec::new();
    let command = match lang {
        Lang::En => {
            let mut command = AdminArgs::command();
            command.build();
            command
        }
        Lang::Ru => russian::command(),
    };
    let _ = clap_mangen::Man::new(command.clone()).section(SECTION).render(&mut text);
    describe_all(&command, "", &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    match lang {
        Lang::En => text,
        Lang::Ru => {
            HEADINGS.iter().fold(text, |text, (en, ru)| text.replace(&format!(".SH {en}\n"), &format!(".SH {ru}\n")))
        }
    }
}

/// Each command with the commands beneath it, such as `take-over panel`, one after the other.
fn describe_all(command: &clap::Command, above: &str, text: &mut Vec<u8>) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let man = clap_mangen::Man::new(sub.clone()).section(SECTION);
        let name = format!("{above}{}", sub.get_name().to_uppercase());
        text.extend_from_slice(format!(".SH {name}\n").as_bytes());
        // Writing to a buffer in memory cannot fail.
        let _ = man.render_synopsis_section(text);
        let _ = man.render_description_section(text);
        let _ = man.render_options_section(text);
        describe_all(sub, &format!("{name} "), text);
    }
}
