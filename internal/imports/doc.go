// Package imports holds no code: its test keeps the rules by which packages may
// import each other.
package imports
