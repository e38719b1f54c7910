// Package files reads and replaces files in folders that others can write to, such as the work tree
// of an agent, and makes the folders of changetrail private to their owner.
//
// A file in such a folder may be a pipe that nobody writes to, a device without an end, or a link
// that leads elsewhere. This package only reads regular files of a bounded size, and opening one
// never blocks. It writes to a new file that then replaces the old one, never through a link.
//
// The package imports only the standard library.
package files
