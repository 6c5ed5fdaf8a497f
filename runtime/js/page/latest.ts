/** Runs the newest request; requests that are replaced while another one runs are skipped. */
export class Latest<T> {
  readonly #work: (request: T, overtaken: () => boolean) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #waiting: { request: T } | undefined;
  #busy = false;
  #cancelled = false; // the running request

  /** `work` can call `overtaken` to learn that a newer request waits or that its own is cancelled, and end early. */
  constructor(work: (request: T, overtaken: () => boolean) => Promise<void>, failed: (error: unknown) => void) {
    this.#work = work;
    this.#failed = failed;
  }

  ask(request: T): void {
    this.#waiting = { request };
    if (!this.#busy) void this.#run();
  }

  /** Skips the waiting request and overtakes the running one, for example when another model opens. */
  cancel(): void {
    this.#waiting = undefined;
    this.#cancelled = true;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting !== undefined) {
      const { request } = this.#waiting;
      this.#waiting = undefined;
      this.#cancelled = false;
      try {
        await this.#work(request, () => this.#cancelled || this.#waiting !== undefined);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#busy = false;
  }
}
