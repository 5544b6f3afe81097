//! JSON pointers (RFC 6901).

/// One step of a pointer, slash and all: the member of this name.
pub fn step(name: &str) -> String {
    // Section 3.
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}
