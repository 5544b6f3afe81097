//! Who may act for which account, and how much.

mod limits;
