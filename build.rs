//! Gathers what is compiled into the binary: the catalog files, and the web pages where npm is at hand.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

/// No package's own script runs; what npm has in its cache is not asked for again.
const INSTALL: [&str; 5] = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-changed=build.rs");
    gather_catalog(&root.join("catalog"), &out.join("catalog.rs")).expect("catalog files");
    build_web(&root.join("web"), &out.join("web")).expect("web pages");
    list_files(&out.join("web"), &out.join("web.rs")).expect("web pages");
}

/// Writes the list of catalog files with their texts, sorted by name.
fn gather_catalog(folder: &Path, list: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|item| Ok(item?.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    let items = files.iter().map(|path| {
        let name = path.file_name().unwrap_or_default();
        format!("    ({name:?}, include_str!({path:?})),\n")
    });
    fs::write(list, format!("const FILES: &[(&str, &str)] = &[\n{}];\n", items.collect::<String>()))
}

/// Builds the web package into `dist`. Without npm, or when npm fails, `dist` stays empty and the page says so: the
/// server does not depend on it.
fn build_web(package: &Path, dist: &Path) -> io::Result<()> {
    for source in [
        "src",
        "build",
        "index.html",
        "ui.html",
        "package.json",
        "package-lock.json",
        "tsconfig.json",
        "vite.config.ts",
        "vite.ui.config.ts",
        ".npmrc",
    ] {
        println!("cargo::rerun-if-changed={}", package.join(source).display());
    }
    println!("cargo::rerun-if-env-changed=PATCHBAY_SKIP_WEB");
    let _ = fs::remove_dir_all(dist);
    fs::create_dir_all(dist)?;
    if env::var_os("PATCHBAY_SKIP_WEB").is_some() {
        return Ok(());
    }
    // Built in a copy: the source folder stays as it was cloned, and two builds at once do not meet.
    let copy = dist.with_file_name("web-build");
    let _ = fs::remove_dir_all(&copy);
    copy_sources(package, &copy)?;
    let log = dist.with_file_name("web.log");
    match npm(&copy, &INSTALL, &log).and_then(|()| npm(&copy, &["run", "build"], &log)) {
        Ok(()) => {
            fs::remove_dir_all(dist)?;
            fs::rename(copy.join("dist"), dist)?;
        }
        // Cargo does not look for npm again by itself: it would have to run this script in every build.
        Err(reason) => println!(
            "cargo::warning=GraphiQL and the gallery are not embedded, the rest of the server is complete: {reason}. \
             To try again: touch build.rs, and build"
        ),
    }
    let _ = fs::remove_dir_all(&copy);
    Ok(())
}

/// Runs npm with its output in `log`; the reason when it fails.
fn npm(folder: &Path, arguments: &[&str], log: &Path) -> Result<(), String> {
    let (output, errors) =
        File::create(log).and_then(|file| Ok((file.try_clone()?, file))).map_err(|e| e.to_string())?;
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(errors);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`npm {}` failed, see {}", arguments.join(" "), log.display())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err("npm is not installed (it comes with Node.js)".into()),
        Err(e) => Err(format!("npm cannot be run: {e}")),
    }
}

/// Writes the list of all files of a folder with their contents.
fn list_files(folder: &Path, list: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(next)? {
            let path = item?.path();
            let kind = if path.is_dir() { &mut folders } else { &mut files };
            kind.push(path);
        }
    }
    files.sort();
    let items = files.iter().map(|path| {
        let name = path.strip_prefix(folder).unwrap_or(path);
        format!("    ({name:?}, include_bytes!({path:?})),\n")
    });
    fs::write(list, format!("const FILES: &[(&str, &[u8])] = &[\n{}];\n", items.collect::<String>()))
}

fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    const LEFT_OUT: [&str; 3] = ["node_modules", "dist", "e2e"];
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let target = to.join(item.file_name());
        if LEFT_OUT.iter().any(|name| item.file_name() == *name) {
            continue;
        }
        if item.file_type()?.is_dir() {
            copy_sources(&item.path(), &target)?;
        } else {
            fs::copy(item.path(), target)?;
        }
    }
    Ok(())
}
