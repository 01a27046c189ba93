// SPDX-License-Identifier: Apache-2.0

package db

// The places at which a build with the tag "faults" can be made to kill itself, in the order in which a batch passes
// them. Without the tag, passing one costs nothing.
const (
	beforeSavepoint = "before-savepoint"            // before each act
	afterAct        = "after-act"                   // after each act's last statement
	beforeCommit    = "before-commit"               // all acts have run
	afterCommit     = "after-commit-before-answers" // on the disk, and nobody knows
	betweenAnswers  = "between-answers"             // some know
	afterAnswers    = "after-answers"               // all know
	checkpointing   = "checkpoint"                  // before a checkpoint, whoever runs it
)
