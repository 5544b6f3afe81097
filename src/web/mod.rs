//! The pages for people: the gallery, GraphiQL and the API reference. Everything they need is inside the binary.

mod built;
mod gallery;
mod graphiql;
mod redirect;
mod reference;

pub use gallery::router as gallery;
pub use graphiql::router as graphiql;
pub use redirect::strip_trailing_slash;
pub use reference::router as reference;
