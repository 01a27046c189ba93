// SPDX-License-Identifier: Apache-2.0

// Package doc carries what the program itself shows of its documentation.
package doc

import _ "embed"

// Specs is specs.txt, the documents that this project follows; package doap reads it.
//
//go:embed specs.txt
var Specs string
