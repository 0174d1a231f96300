//! Links between the worlds of two modules of one panel. Each has its own seller and services, but the runs of
//! each see the panel and the locks of both.

use pmisplicense::model::ids::{AccountId, ItemId, LicenseId, ModuleId};
use pmisplicense::model::item::{Item, MODULE_PROGRAM};
use pmisplicense::ports::{LockName, Module};

use crate::checks::ACCOUNT;
use crate::panel::MODULE;

/// By which numbers the panel and the state know a world of OrderBox.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub module: ModuleId,
    pub account: AccountId,
    /// Its services and operations have numbers above this.
    pub before: u32,
    /// The number of its first hosting order.
    pub first_order: u32,
}

impl Numbers {
    /// The only module of the panel.
    pub const ALONE: Self = Self { module: MODULE, account: ACCOUNT, before: 0, first_order: 4001 };
}

/// What another module of the panel has.
pub trait Beside: std::fmt::Debug {
    /// As the panel's list of modules has it.
    fn module(&self) -> ModuleId;
    /// Its services.
    fn items(&self) -> Vec<Item>;
    /// Whether one of its runs holds a lock.
    fn holds(&self, name: LockName) -> bool;
}

/// What it has, where there is one.
pub type Neighbour = Option<std::rc::Rc<dyn Beside>>;

pub fn items(beside: &Neighbour) -> Vec<Item> {
    beside.iter().flat_map(|beside| beside.items()).collect()
}

pub fn item(beside: &Neighbour, item: ItemId) -> Option<Item> {
    items(beside).into_iter().find(|one| one.id == item)
}

pub fn holds(beside: &Neighbour, name: LockName) -> bool {
    beside.as_ref().is_some_and(|beside| beside.holds(name))
}

/// Services of both that show some license, in the order of their numbers.
pub fn showing(own: impl Iterator<Item = (ItemId, LicenseId)>, beside: &Neighbour) -> Vec<(ItemId, LicenseId)> {
    let others = items(beside).into_iter().filter_map(|item| Some((item.id, item.params.licid?)));
    let mut all: Vec<_> = own.chain(others).collect();
    all.sort_unstable();
    all
}

/// The panel's modules.
pub fn modules(own: ModuleId, is_active: bool, beside: &Neighbour) -> Vec<Module> {
    let module = |id, active| Module { id, name: "sim".to_owned(), program: MODULE_PROGRAM.to_owned(), active };
    let others = beside.iter().map(|beside| module(beside.module(), true));
    std::iter::once(module(own, is_active)).chain(others).collect()
}

impl crate::world::World {
    /// S8: a module changes no service of another one.
    pub fn check_module(&mut self, run: usize, item: ItemId) {
        if crate::beside::item(&self.beside, item).is_some() {
            self.violation("S8", "a service of another module is changed", format!("run {run}: item {item}"));
        }
    }

    /// The services of the panel that show a license.
    pub fn showing(&self) -> Vec<(ItemId, LicenseId)> {
        let own = self.panel.services.iter().filter_map(|one| Some((one.item.id, one.item.params.licid?)));
        if self.beside.is_none() { own.collect() } else { crate::beside::showing(own, &self.beside) }
    }
}
