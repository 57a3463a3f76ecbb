// Lists archives with node-tar, which npm brings along. The protocol is in mod.rs.
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");

const npm = process.env.PATH.split(path.delimiter)
  .map((folder) => path.join(folder, "npm"))
  .find((file) => fs.existsSync(file));
const tar = createRequire(fs.realpathSync(npm))("tar");

function list(file) {
  const lines = [];
  const onEntry = (entry) => {
    const kinds = { File: "file", OldFile: "file", Directory: "directory" };
    const kind = kinds[entry.type] ?? "other";
    lines.push(`entry ${kind} ${entry.size} ${Buffer.from(entry.path).toString("hex")}`);
  };
  try {
    // Version 6 calls the option `onentry`, version 7 `onReadEntry`.
    tar.t({ file, sync: true, onentry: onEntry, onReadEntry: onEntry });
    lines.push("end listed");
  } catch (error) {
    lines.push(`end refused ${JSON.stringify(String(error))}`);
  }
  process.stdout.write(lines.join("\n") + "\n");
}

readline.createInterface({ input: process.stdin }).on("line", list);
