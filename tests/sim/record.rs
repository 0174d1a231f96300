//! What happened in a history, as a record that can be kept: the setting, then act by act with its faults. It needs
//! no seed to be played again, so it goes on meaning what it meant when histories are drawn in another way.
//! `regressions.json` holds every history that ever broke a rule; all of them are played before anything is drawn.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::acts::{Act, Begun, Wrong};
use crate::faults::{Mode, Planned, Stats};
use crate::image::{Image, Tier};
use crate::play::{How, Played, replay};
use crate::script::Setting;

/// A history that can be played again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The rule that it broke when it was recorded.
    pub broke: String,
    /// Where it came from: the seed that drew it, and what its cause was where that is worth a word.
    pub found: String,
    pub tier: Tier,
    pub setting: Setting,
    pub acts: Vec<Act>,
}

impl Record {
    /// The runs in it.
    pub fn runs(&self) -> impl Iterator<Item = &Begun> {
        self.acts.iter().flat_map(|act| match act {
            Act::Runs { runs, .. } => runs.as_slice(),
            _ => &[],
        })
    }

    pub fn faults(&self) -> Vec<Planned> {
        let planned = |begun: &Begun| {
            let tag = begun.tag;
            begun.faults.clone().into_iter().map(move |wrong| Planned {
                run: tag,
                step: Box::leak(wrong.step.into_owned().into_boxed_str()),
                nth: wrong.nth,
                fault: wrong.fault,
            })
        };
        self.runs().flat_map(planned).collect()
    }

    /// The acts, with the faults that were met in their runs.
    pub fn with_faults(mut self, met: &[Planned]) -> Self {
        for act in &mut self.acts {
            let Act::Runs { runs, .. } = act else { continue };
            for begun in runs {
                let own = met.iter().filter(|fault| fault.run == begun.tag);
                let wrong = |one: &Planned| Wrong { step: one.step.into(), nth: one.nth, fault: one.fault };
                begun.faults = own.map(wrong).collect();
            }
        }
        self
    }

    /// As it is in the file: an act a line.
    pub fn text(&self) -> String {
        let json = |value: &dyn erased::Json| value.json();
        let mut text = format!("{{\n\"broke\": {},\n\"found\": {},\n", json(&self.broke), json(&self.found));
        let _ = write!(text, "\"tier\": {},\n\"setting\": {},\n\"acts\": [\n", json(&self.tier), json(&self.setting));
        let acts: Vec<String> = self.acts.iter().map(|act| json(act)).collect();
        text.push_str(&acts.join(",\n"));
        text.push_str("\n]}");
        text
    }

    pub fn play(&self, tracing: bool, image: &Image, rules: &[pmisplicense::model::rules::Rules]) -> Played {
        let how = How { mode: Mode::Fixed(self.faults()), tracing, muted: false };
        replay(self, &how, image, rules, &mut Stats::default())
    }
}

/// Anything that is written as JSON.
mod erased {
    pub trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).expect("JSON")
        }
    }
}

/// Every history that ever broke a rule.
pub fn regressions() -> Vec<Record> {
    serde_json::from_str(include_str!("regressions.json")).expect("regressions.json: a list of records")
}

/// As the file has them.
pub fn file_text(records: &[Record]) -> String {
    format!("[\n{}\n]\n", records.iter().map(Record::text).collect::<Vec<_>>().join(",\n"))
}
