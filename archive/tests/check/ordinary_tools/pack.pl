# Packs the files of a directory with Perl's Archive::Tar: pack.pl DIRECTORY
# It leaves out directories of more than 155 bytes: Perl cuts them at the front, often at a slash.
use strict;
use warnings;
use Archive::Tar;
use File::Find;

my @files;

sub wanted {
    push @files, $File::Find::name if length $File::Find::dir <= 155;
}

find({ wanted => \&wanted, no_chdir => 1 }, $ARGV[0]);
Archive::Tar->create_archive('packed.tgz', COMPRESS_GZIP, @files) or die Archive::Tar->error;
