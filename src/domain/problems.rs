//! Lists of problems with a bound: an input full of mistakes gets a short answer.

/// The maximum number of problems that one answer lists.
pub const MAX_PROBLEMS: usize = 100;

/// The first [`MAX_PROBLEMS`] problems of an input, and the number of further ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems<P> {
    listed: Vec<P>,
    omitted: usize,
}

impl<P> Default for Problems<P> {
    fn default() -> Self {
        Self { listed: Vec::new(), omitted: 0 }
    }
}

impl<P> Problems<P> {
    /// Adds a problem, which is made only if the list has room.
    pub fn push_with(&mut self, problem: impl FnOnce() -> P) {
        if self.listed.len() < MAX_PROBLEMS {
            self.listed.push(problem());
        } else {
            self.omitted += 1;
        }
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: P) {
        self.push_with(|| problem);
    }

    /// Adds the problems of another list that are wanted, and the number of those that it does not list.
    pub fn merge(&mut self, other: Self, is_wanted: impl Fn(&P) -> bool) {
        self.extend(other.listed.into_iter().filter(|problem| is_wanted(problem)));
        self.omitted += other.omitted;
    }

    /// The same with another type of problem.
    pub fn map<Q>(self, convert: impl FnMut(P) -> Q) -> Problems<Q> {
        Problems { listed: self.listed.into_iter().map(convert).collect(), omitted: self.omitted }
    }

    /// Orders the listed problems; those with equal keys keep their order.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&P) -> K) {
        self.listed.sort_by_key(key);
    }

    /// The number of problems, listed or not.
    pub fn count(&self) -> usize {
        self.listed.len() + self.omitted
    }

    /// True without any problem.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The listed problems.
    pub fn listed(&self) -> &[P] {
        &self.listed
    }

    /// The number of problems beyond the listed ones.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The listed problems, and if there are more, `summary` of the sentence "and N more problems" as the last one.
    pub fn into_vec(mut self, summary: impl FnOnce(String) -> P) -> Vec<P> {
        if self.omitted > 0 {
            self.listed.push(summary(omitted_sentence(self.omitted)));
        }
        self.listed
    }
}

impl<P> Extend<P> for Problems<P> {
    fn extend<I: IntoIterator<Item = P>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

/// `and 3 more problems`.
pub fn omitted_sentence(omitted: usize) -> String {
    format!("and {omitted} more problem{}", if omitted == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_beyond_the_limit_are_counted_not_listed() {
        let mut problems = Problems::default();
        assert!(problems.is_empty());
        problems.extend((0..MAX_PROBLEMS).map(|n| n.to_string()));
        assert_eq!(problems.clone().into_vec(|sentence| sentence).len(), MAX_PROBLEMS);
        problems.push("one".into());
        assert_eq!(
            problems.clone().into_vec(|sentence| sentence).last().map(String::as_str),
            Some("and 1 more problem")
        );
        problems.push_with(|| unreachable!("not made"));
        assert_eq!((problems.listed().len(), problems.omitted()), (MAX_PROBLEMS, 2));
        assert_eq!(problems.into_vec(|sentence| sentence)[MAX_PROBLEMS], "and 2 more problems");
    }
}
