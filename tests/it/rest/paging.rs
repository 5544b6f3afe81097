//! Pages: each entry once, in order, and cursors that belong to one list of one account.

use serde_json::{Value, json};

use super::rows::add_entries;
use super::{LIST, names};
use crate::support::{Client, World};

/// The address in a `Link` header that says `rel="next"`.
fn next_link(link: &str) -> String {
    let address = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    address.unwrap_or_else(|| panic!("not a link to the next page: {link}")).to_owned()
}

/// Follows the links from a first page; every page.
async fn walk(client: &Client, first: String) -> Vec<Value> {
    const MOST: usize = 1_000;
    let mut pages = Vec::new();
    let mut next = Some(first);
    while let Some(path) = next {
        assert!(pages.len() < MOST, "pages without end");
        let answer = client.get(&path).await;
        let page = answer.ok();
        next = answer.header("link").map(next_link);
        let cursor = page.get("next_cursor").expect("present on every page");
        assert_eq!(cursor.is_string(), next.is_some(), "{path}");
        if let (Some(cursor), Some(next)) = (cursor.as_str(), &next) {
            assert!(next.contains(&format!("cursor={cursor}")), "{next}");
        }
        pages.push(page);
    }
    pages
}

#[tokio::test]
async fn walking_the_pages_gives_the_whole_list_exactly_once() {
    let world = World::start().await;
    let acme = world.account("acme");
    acme.post("/api/v1/integrations/slack/install", &json!({})).await.ok();
    for filter in [
        "",
        "search=a",
        "category=payments",
        "status=available&search=S%26%20%2B",
        "status=available",
        "include=schemas",
    ] {
        let whole = acme.get(&format!("{LIST}?{filter}")).await.ok();
        let expected = whole["integrations"].as_array().expect("a list");
        for limit in [1, 7, expected.len().clamp(1, 200), 200] {
            let pages = walk(&acme, format!("{LIST}?{filter}&limit={limit}")).await;
            let (last, full) = pages.split_last().expect("a page");
            assert!(full.iter().all(|page| names(page).len() == limit), "{filter}, {limit}");
            assert!(
                names(last).len() <= limit && (!names(last).is_empty() || expected.is_empty()),
                "{filter}, {limit}"
            );
            let walked: Vec<_> =
                pages.iter().flat_map(|page| page["integrations"].as_array().expect("a list")).collect();
            assert_eq!(walked, expected.iter().collect::<Vec<_>>(), "{filter}, {limit}");
            for page in &pages {
                assert_eq!((&page["total"], &page["category_counts"]), (&whole["total"], &whole["category_counts"]));
            }
        }
    }
}

#[tokio::test]
async fn a_link_leads_to_the_same_route_and_query() {
    let world = World::start().await;
    let answer = world.account("acme").get(&format!("{LIST}?search=a%26b%20e&limit=1")).await;
    assert_eq!(answer.header("link"), None);
    let answer = world.account("acme").get(&format!("{LIST}?search=e&limit=1&include=schemas&order=name")).await;
    let cursor = answer.ok()["next_cursor"].as_str().expect("a cursor").to_owned();
    let link = next_link(answer.header("link").expect("a link"));
    assert_eq!(link, format!("{LIST}?search=e&limit=1&include=schemas&order=name&cursor={cursor}"));
}

#[tokio::test]
async fn without_limit_and_cursor_there_is_no_page() {
    let world = World::start().await;
    let answer = world.account("acme").get(LIST).await;
    assert_eq!((answer.ok().get("next_cursor"), answer.header("link")), (None, None));
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_200() {
    let world = World::start().await;
    let acme = world.account("acme");
    for limit in ["0", "201", "-1", "", "x", "1.0", "1e2", " 5", "5%20", "0x10", "99999999999999999999999", "%D9%A1"] {
        let answer = acme.get(&format!("{LIST}?limit={}", limit.replace(' ', "%20"))).await;
        answer.assert_refused(400, "bad_user_input", "limit must be a number from 1 to 200");
    }
    for limit in ["1", "200"] {
        acme.get(&format!("{LIST}?limit={limit}")).await.ok();
    }
}

#[tokio::test]
async fn a_cursor_without_a_limit_gives_50_at_a_time() {
    let world = World::start().await;
    let acme = world.account("acme");
    // More than fit on two pages, whatever the catalog holds.
    let named: Vec<_> = (0..100).map(|at| format!("filler_{at}")).collect();
    let entries: Vec<_> = (0..).zip(&named).map(|(id, name)| (id, &**name, json!({"tags": ["filler"]}))).collect();
    add_entries(&world, &entries).await;
    let first = acme.get(&format!("{LIST}?search=filler&limit=1")).await.ok();
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = acme.get(&format!("{LIST}?search=filler&cursor={cursor}")).await;
    assert_eq!(names(&second.ok()).len(), 50);
    let third = acme.get(&next_link(second.header("link").expect("a link"))).await.ok();
    assert_eq!((names(&third).len(), &third["next_cursor"]), (49, &json!(null)));
}

#[tokio::test]
async fn a_cursor_belongs_to_its_account_and_filters() {
    let world = World::start().await;
    let (acme, globex) = (world.account("acme"), world.account("globex"));
    let cursor = async |client: &Client, filter: &str| {
        let page = client.get(&format!("{LIST}?{filter}&limit=1")).await.ok();
        page["next_cursor"].as_str().expect("a cursor").to_owned()
    };
    let sentence = "The cursor does not belong to this list: start again without one, or keep account and filters";
    let filters = ["", "search=e", "search=a", "category=payments", "status=available", "status=available&search=e"];
    for filter in filters {
        let theirs = cursor(&acme, filter).await;
        for other in filters {
            let path = format!("{LIST}?{other}&limit=1&cursor={theirs}");
            let answer = acme.get(&path).await;
            if other == filter {
                answer.ok();
            } else {
                answer.assert_refused(400, "bad_user_input", sentence);
            }
            globex.get(&path).await.assert_refused(400, "bad_user_input", sentence);
        }
        // What does not change the list does not bind the cursor.
        let same = acme.get(&format!("{LIST}?{filter}&limit=200&include=schemas&cursor={theirs}")).await.ok();
        let rest = same["total"].as_u64().expect("a number") - 1;
        assert_eq!(names(&same).len() as u64, rest.min(200), "{filter}");
    }
}

#[tokio::test]
async fn a_cursor_that_was_never_given_out_is_refused() {
    let world = World::start().await;
    let acme = world.account("acme");
    let page = acme.get(&format!("{LIST}?limit=1")).await.ok();
    let good = page["next_cursor"].as_str().expect("a cursor").to_owned();
    let long = "A".repeat(6_000);
    let bad = [
        "",
        "x",
        "=",
        "%00",
        "%FF",
        "AAAA",
        "null",
        "-1",
        "1",
        &good[..good.len() / 2],
        &good[1..],
        &long,
        "' OR 1=1--",
        "../..",
        "c5c44806-6981-5408-a812-edbd36c0eef2",
    ];
    for cursor in bad {
        let path = format!("{LIST}?cursor={}", cursor.replace(' ', "%20"));
        let answer = acme.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.error_code()), (400, "bad_user_input"), "{path}");
    }
}
