/** Functions that the tests call in the page. */

import * as cvae from "../../src/browser.ts";
import { numbersOf, type Asked, type Numbers } from "../numbers.ts";

export interface Result {
  provider: string;
  threads: number;
  notices: string[];
  numbers: Numbers;
  check: cvae.SelfCheck;
}

declare global {
  interface Window {
    run(url: string, asked: Asked, options: cvae.LoadOptions): Promise<Result>;
    fail(url: string, options: cvae.LoadOptions): Promise<string>;
  }
}

window.run = async (url, asked, options) => {
  const notices: string[] = [];
  const model = await cvae.load(url, { ...options, onNotice: (text) => notices.push(text) });
  const numbers = await numbersOf(model, asked);
  const check = await model.selfCheck();
  await model.close();
  return { provider: model.provider, threads: model.threads, notices, numbers, check };
};

window.fail = async (url, options) => {
  try {
    const model = await cvae.load(url, options);
    await model.generate(1);
  } catch (error) {
    return error instanceof cvae.CvaeError ? `${error.name}: ${error.message}` : `not ours: ${String(error)}`;
  }
  return "no error";
};

document.body.dataset.ready = "yes";
