// Packs a directory with node-tar, which npm brings along: pack.cjs OPTION DIRECTORY
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const npm = process.env.PATH.split(path.delimiter)
  .map((folder) => path.join(folder, "npm"))
  .find((file) => fs.existsSync(file));
const tar = createRequire(fs.realpathSync(npm))("tar");
const [option, directory] = process.argv.slice(2);
tar.c({ file: "packed.tgz", gzip: true, sync: true, [option]: true }, [directory]);
