//! Catalog files on the command line: their mistakes, and what becomes of them in the shared catalog, beside a server.

mod exporting;
mod importing;
mod pruning;
mod upkeep;
mod validating;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use entity::integration;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Told, World, command};

/// Starts `patchbay catalog …` beside a world.
fn start(world: &World, words: &[&str]) -> Child {
    let (folder, url) = (world.folder.path().display().to_string(), world.database.url());
    let place = ["--data-dir", &folder, "--database-url", &url, "--set", "log.level=warn"];
    command(&[&["catalog"], words, &place].concat()).stdout(Stdio::piped()).spawn().expect("started")
}

async fn ended(child: Child) -> Told {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().expect("ended")).await.expect("waited");
    Told::of(&output)
}

async fn run(world: &World, words: &[&str]) -> Told {
    ended(start(world, words)).await
}

/// Runs `patchbay catalog …` where there is no database.
fn alone(words: &[&str]) -> Told {
    let words = [&["catalog"], words].concat();
    Told::of(&command(&words).stdout(Stdio::piped()).output().expect("run"))
}

/// A folder of catalog files.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("folder"));
        files.iter().for_each(|(name, text)| drop(folder.write(name, text)));
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn path(&self) -> String {
        text(self.0.path())
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A small entry without a mistake, as YAML.
fn entry(name: &str, description: &str) -> String {
    format!(
        "name: {name}\ndisplay_name: {name} Inc.\ndescription: {description}\ncategory: commerce\nauth:\n- kind: none\n"
    )
}

async fn row(world: &World, name: &str) -> Option<integration::Model> {
    world.catalog_rows().await.into_iter().find(|row| row.name == name)
}

/// What became of each entry, by name.
fn actions(told: &Value) -> Vec<(String, String)> {
    let steps = told["entries"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut actions: Vec<_> = steps.map(|step| (text(&step["name"]), text(&step["action"]))).collect();
    actions.sort();
    actions
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}
