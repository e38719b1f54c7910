// Package imports contains no code: its tests check the rules about which packages may import each
// other.
package imports
