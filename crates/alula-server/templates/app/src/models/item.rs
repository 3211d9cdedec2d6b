//! Items.

use alula::prelude::*;

/// An item to be added.
#[derive(Debug, Clone, Deserialize, JsonSchema, Validate)]
pub struct NewItem {
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// The price in cents.
    #[schemars(range(max = 100_000_000))]
    pub price_cents: u64,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    pub id: u64,
    pub name: String,
    /// The price in cents.
    pub price_cents: u64,
}

/// Which part of a list to show.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema, Validate)]
pub struct Page {
    #[serde(default)]
    pub offset: usize,
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: usize,
}

fn default_limit() -> usize {
    20
}
