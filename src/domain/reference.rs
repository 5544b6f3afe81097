//! How a caller names an integration.

use uuid::Uuid;

use super::entry::IntegrationId;

/// By id or by name, decided once at the edge; inside, nobody asks again which it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By id.
    Id(IntegrationId),
    /// By name. May be a name that nobody has.
    Name(String),
}

impl Reference {
    /// Reads a path segment: a hyphenated UUID in any case is an id, everything else a name.
    pub fn parse(text: &str) -> Self {
        Self::parse_id(text).unwrap_or_else(|| Self::Name(text.to_owned()))
    }

    /// Reads an id; other forms of a UUID (no hyphens, braces, `urn:`) are not ids here.
    pub fn parse_id(text: &str) -> Option<Self> {
        const HYPHENATED: usize = 36;
        if text.len() != HYPHENATED {
            return None;
        }
        Uuid::try_parse(text).ok().map(|id| Self::Id(IntegrationId(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphenated_uuids_in_any_case_are_ids() {
        let lower = Reference::parse("c5c44806-6981-5408-a812-edbd36c0eef2");
        assert!(matches!(lower, Reference::Id(_)));
        assert_eq!(lower, Reference::parse("C5C44806-6981-5408-A812-EDBD36C0EEF2"));
    }

    #[test]
    fn everything_else_is_a_name() {
        for name in
            ["stripe", "STRIPE", "", "c5c4480669815408a812edbd36c0eef2", "{c5c44806-6981-5408-a812-edbd36c0eef2}"]
        {
            assert_eq!(Reference::parse(name), Reference::Name(name.to_owned()));
        }
    }
}
