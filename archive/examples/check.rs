//! Checks files, and prints the result for each.
//!
//! ```sh
//! cargo run -p archive --example check -- FILE…
//! ```

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Write},
    path::Path,
    process::ExitCode,
};

use archive::{ArchiveError, ArchiveLimits, Summary};

const USAGE: &str = "\
usage: check FILE...

Checks each FILE as a tar.gz that is uploaded in a form, and prints one line for it:
  FILE: accepted, N entries, M bytes unpacked
  FILE: refused: MESSAGE

exit status: 0 if all files are accepted, 1 if one is refused,
             2 if the usage is wrong or a file cannot be read
";

const REFUSED: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let status = run(&arguments, &mut io::stdout().lock(), &mut io::stderr().lock());
    ExitCode::from(status.unwrap_or(FAILED))
}

/// Runs the command and returns its exit status.
fn run(arguments: &[OsString], out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        write!(out, "{USAGE}")?;
        return Ok(0);
    }
    if arguments.is_empty() {
        write!(err, "{USAGE}")?;
        return Ok(FAILED);
    }
    let mut status = 0;
    for argument in arguments {
        let file = Path::new(argument).display();
        match check(Path::new(argument)) {
            Ok(Summary { entries, unpacked_bytes }) => {
                writeln!(
                    out,
                    "{file}: accepted, {entries} entries, {unpacked_bytes} bytes unpacked"
                )?;
            }
            Err(ArchiveError::Read(error)) => {
                writeln!(err, "{file}: {error}")?;
                status = FAILED;
            }
            Err(error) => {
                writeln!(out, "{file}: refused: {error}")?;
                status = status.max(REFUSED);
            }
        }
    }
    Ok(status)
}

fn check(path: &Path) -> Result<Summary, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::Read)?;
    archive::check(BufReader::new(file), &ArchiveLimits::FORM, |_| ())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use archive_builder::Tarball;

    use super::*;

    /// Runs the command in a directory with an accepted and a refused archive, and returns its exit
    /// status, output and errors, without the directory's name.
    fn run_with(arguments: &[&str]) -> (u8, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let good = Tarball::new().directory("bin").file("bin/run", b"#!/bin/sh\n").gzip();
        fs::write(directory.path().join("good.tgz"), good).unwrap();
        let bad = Tarball::new().file("../x", b"").gzip();
        fs::write(directory.path().join("bad.tgz"), bad).unwrap();

        let in_directory = |argument: &&str| {
            if argument.starts_with('-') {
                OsString::from(argument)
            } else {
                directory.path().join(argument).into_os_string()
            }
        };
        let arguments: Vec<OsString> = arguments.iter().map(in_directory).collect();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = run(&arguments, &mut out, &mut err).unwrap();
        let prefix = format!("{}/", directory.path().display());
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&prefix, "");
        (status, text(out), text(err))
    }

    #[test]
    fn an_accepted_file_exits_with_0() {
        let output = "good.tgz: accepted, 2 entries, 2560 bytes unpacked\n";
        assert_eq!(run_with(&["good.tgz"]), (0, output.into(), String::new()));
    }

    #[test]
    fn a_refused_file_exits_with_1() {
        let output = "bad.tgz: refused: entry `../x` has `..` in its path\n\
            good.tgz: accepted, 2 entries, 2560 bytes unpacked\n";
        assert_eq!(run_with(&["bad.tgz", "good.tgz"]), (1, output.into(), String::new()));
    }

    #[test]
    fn a_missing_file_exits_with_2() {
        let (status, output, errors) = run_with(&["missing.tgz", "bad.tgz"]);
        assert_eq!(status, 2);
        assert_eq!(output, "bad.tgz: refused: entry `../x` has `..` in its path\n");
        assert!(errors.starts_with("missing.tgz: "), "{errors}");
    }

    #[test]
    fn no_file_exits_with_2() {
        assert_eq!(run_with(&[]), (2, String::new(), USAGE.into()));
    }

    #[test]
    fn help_exits_with_0() {
        assert_eq!(run_with(&["--help"]), (0, USAGE.into(), String::new()));
    }
}
