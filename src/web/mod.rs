//! The pages for people: GraphiQL and the API reference. Everything they need is inside the binary.

mod graphiql;
mod reference;

pub use graphiql::router as graphiql;
pub use reference::router as reference;
