/** What the shell is told. Imports nothing: the prompt starts with it. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130, terminated: 143, hungUp: 129 } as const
