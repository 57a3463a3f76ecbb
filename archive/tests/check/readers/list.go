// Lists archives with Go's archive/tar. The protocol is in mod.rs.
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
)

func kind(header *tar.Header) string {
	mode := header.FileInfo().Mode()
	switch {
	case header.Typeflag == tar.TypeReg && mode.IsRegular():
		return "file"
	case header.Typeflag == tar.TypeDir && mode.IsDir():
		return "directory"
	default:
		return "other"
	}
}

func list(path string, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		// Go shows a global pax header as an entry.
		if header.Typeflag != tar.TypeXGlobalHeader {
			fmt.Fprintf(out, "entry %s %d %x\n", kind(header), header.Size, header.Name)
		}
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := list(lines.Text(), out); err != nil {
			fmt.Fprintf(out, "end refused %q\n", err)
		} else {
			fmt.Fprintln(out, "end listed")
		}
		out.Flush()
	}
}
