//! Gathers what is compiled into the binary: the catalog files, and the web pages where npm is at hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-changed=build.rs");
    gather_catalog(&root.join("catalog"), &out.join("catalog.rs")).expect("catalog files");
    build_web(&root.join("web"), &out.join("web")).expect("web pages");
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
    for source in
        ["src", "build", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", ".npmrc"]
    {
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
    let built = npm(&copy, &["ci", "--no-audit", "--no-fund"]) && npm(&copy, &["run", "build"]);
    if built {
        fs::remove_dir_all(dist)?;
        fs::rename(copy.join("dist"), dist)?;
    } else {
        println!(
            "cargo::warning=GraphiQL is not embedded: npm is absent or failed (the rest of the server is complete)"
        );
    }
    let _ = fs::remove_dir_all(&copy);
    Ok(())
}

fn npm(folder: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
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
