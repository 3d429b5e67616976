/** A line of `bonsaic doctor`. */

/** A tool that is needed or of use, and what was found. */
export interface ToolCheck {
  readonly what: string;
  readonly ok: boolean;
  /** Whether some target cannot be built or run without it. */
  readonly needed: boolean;
  readonly found: string;
  readonly hint: string;
}
