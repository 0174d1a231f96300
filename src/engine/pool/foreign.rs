//! `pool_foreign = true`: licenses that somebody else freed (`free.lic` at 0.0.0.0) are taken into our pool when it
//! holds no license that fits (docs/money-safety.md 5). From then on the rules of our own pool apply, above all the
//! rule of the new key.

use crate::error::ModuleError;
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::journal::Note;
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::LicenseState;
use crate::store::Binding;
use crate::text;

use crate::engine::pages::Pages;
use crate::engine::{Engine, errors};

/// Most free licenses that one run opens.
const MAX_OPENED: usize = 20;

impl Engine<'_> {
    /// Takes free licenses of a product into the pool. Returns how many of them our state has now, those that another
    /// run took in at the same time included: the pool is then worth another search.
    pub(in crate::engine) async fn take_in_foreign(&mut self, product: &Product) -> Result<usize, ModuleError> {
        let mut pages = Pages::of(product.family);
        let mut free = Vec::new();
        while let Some(page) = pages.next(self).await? {
            for row in &page.rows {
                let known = self.store.license(self.account, row.id).map_err(errors::state)?;
                if known.is_none() && is_free(row) && row.tariff.may_be(product.pricelist) {
                    free.push(row.id);
                }
            }
        }
        let mut pooled = 0;
        for id in free.into_iter().take(MAX_OPENED) {
            pooled += usize::from(self.pool_one(product, id).await?);
        }
        Ok(pooled)
    }

    /// Whether our state has the license afterwards.
    async fn pool_one(&mut self, product: &Product, id: LicenseId) -> Result<bool, ModuleError> {
        let Some(seen) = self.read(product.family, id).await? else { return Ok(false) };
        let fits = is_free(&seen) && seen.tariff.id() == Some(product.pricelist) && seen.expires.day().is_some();
        if !fits {
            return Ok(false);
        }
        let reason = text!(
            "license {id}, freed by somebody else, is taken into the pool (pool_foreign)",
            "лицензия {id}, освобождённая кем-то другим, взята в пул (pool_foreign)"
        );
        let nodes = product.nodes_addon.and_then(|addon| seen.addons.get(&addon).copied());
        let (account, module) = (self.account, self.module);
        let is_new = self
            .commit("take in", |tx| {
                // Another run may have taken it in since the list was read, and may have given it to a service.
                if tx.knows_license(account, id)? {
                    return Ok(false);
                }
                let binding = Binding {
                    account,
                    family: product.family,
                    module,
                    internal_name: &product.internal_name,
                    mark: None,
                    pricelist: product.pricelist,
                    nodes,
                };
                tx.put_license(&binding, &seen, LicenseState::Pool, None, None)?;
                tx.note(None, Some((account, id)), Note::State(LicenseState::Pool), &reason)?;
                Ok(true)
            })
            .await?;
        if is_new {
            self.note(&reason);
        }
        Ok(true)
    }
}

fn is_free(seen: &License) -> bool {
    seen.looks_free() && matches!(seen.status, LicenseStatus::Active | LicenseStatus::Stopped)
}
