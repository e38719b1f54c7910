// Package files reads and replaces files in folders in which others write, as the work
// tree of an agent, and keeps the folders of changetrail to their owner.
//
// A file in such a folder may be a pipe that nobody writes to, a device without an end,
// or a link that leads elsewhere. What is read here is a regular file of a bounded size;
// opening it never blocks. What is written goes to a new file that then takes the place
// of the old one, never through a link.
//
// The package imports the standard library alone.
package files
