// Package imports tests the rules about which packages may import each other.
package imports
