/**
 * Work that was given up while it still runs: nobody waits for it any longer, its transaction is undone, and its connection
 * serves nobody else, because the work may go on using it.
 */
export class Abandoned extends Error {
  constructor() {
    super('The listener did not end when the handler stopped');
    this.name = 'Abandoned';
  }
}
