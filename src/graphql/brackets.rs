//! How deeply a text nests brackets, told without parsing it: the parser recurses.

/// The deepest nesting of brackets, strings and comments left out.
pub(super) fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    // Where one block string has no end, none after it has: looking again would take quadratic time.
    let mut blocks_end = true;
    while let Some(c) = rest.chars().next() {
        let step = match c {
            '"' => string_length(rest, &mut blocks_end),
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = &rest[step..];
    }
    deepest
}

/// Bytes of the string that `text` starts with, quotes counted.
fn string_length(text: &str, blocks_end: &mut bool) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        if let Some(end) = blocks_end.then(|| block_end(block)).flatten() {
            return end + 6;
        }
        // The parser takes a block string without an end for an empty string, and reads on after that.
        *blocks_end = false;
        return 2;
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' | '\r' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the quotes stand that end a block string; escaped ones do not.
fn block_end(block: &str) -> Option<usize> {
    let quotes = block.match_indices("\"\"\"").map(|(at, _)| at);
    let mut quotes = quotes.filter(|at| !block[..*at].ends_with('\\'));
    quotes.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        assert_eq!(bracket_depth("{ a(x: \"[[[[ \\\" [[\") # {{{{\n }"), 2);
        assert_eq!(bracket_depth("\"\"\"{{{{\"\"\" {"), 1);
        assert_eq!(bracket_depth("\"{{{"), 0);
        assert_eq!(bracket_depth("\"\"\" \\\"\"\" \"\"\" {{{"), 3);
        assert_eq!(bracket_depth("\"\"\"a\" {{{"), 3);
    }
}
