// Packs a directory with Go's archive/tar: pack.go FORMAT DIRECTORY PREFIX
package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"
)

var formats = map[string]tar.Format{
	"unknown": tar.FormatUnknown, "ustar": tar.FormatUSTAR, "pax": tar.FormatPAX, "gnu": tar.FormatGNU,
}

func main() {
	format, directory, prefix := formats[os.Args[1]], os.Args[2], os.Args[3]
	file, err := os.Create("packed.tgz")
	check(err)
	zipped := gzip.NewWriter(file)
	archive := tar.NewWriter(zipped)
	check(filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		check(err)
		info, err := entry.Info()
		check(err)
		header, err := tar.FileInfoHeader(info, "")
		check(err)
		relative, err := filepath.Rel(directory, path)
		check(err)
		if relative == "." {
			return nil
		}
		header.Name = prefix + relative
		header.Format = format
		if format == tar.FormatGNU {
			// Readers take these times of the GNU format for a prefix.
			header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
		}
		if entry.IsDir() {
			header.Name += "/"
		}
		check(archive.WriteHeader(header))
		if !entry.IsDir() {
			content, err := os.Open(path)
			check(err)
			_, err = io.Copy(archive, content)
			check(err)
			check(content.Close())
		}
		return nil
	}))
	check(archive.Close())
	check(zipped.Close())
	check(file.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
