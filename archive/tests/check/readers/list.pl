# Lists archives with Perl's Archive::Tar. The protocol is in mod.rs.
use strict;
use warnings;
use Archive::Tar;

$| = 1;
$Archive::Tar::WARN = 0;
local $SIG{__WARN__} = sub { };
while (my $file = <STDIN>) {
    chomp $file;
    my $archive = Archive::Tar->new;
    for my $entry ($archive->read($file)) {
        my $kind = $entry->is_file ? 'file' : $entry->is_dir ? 'directory' : 'other';
        printf "entry %s %s %s\n", $kind, $entry->size, unpack('H*', $entry->full_path);
    }
    print "end listed\n";
}
